"""`edge-sr bench compare`: whether two records differ by more than noise."""

from pathlib import Path
from typing import Annotated

import typer

from edge_sr.cli.common import parse_path, say
from edge_sr.cli.tables import show
from edge_sr.errors import UserError

_MOST = 5
"""Sentences about what differs before the rest is only counted."""


def compare(
    a: Annotated[Path, typer.Argument(parser=parse_path, help="A record, to compare with.")],
    b: Annotated[Path, typer.Argument(parser=parse_path, help="A record of the same cases.")],
    different: Annotated[
        bool,
        typer.Option("--different", help="Compare although device or files differ."),
    ] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, to be pasted.")
    ] = False,
) -> None:
    """Say how many times as fast as record A record B is, case by case, and whether that is noise.

    The intervals tell chance within two runs, not what differs from one process to the next: look
    twice at a few per cent.
    """
    from benchmarks.reports.compare import compare as compare_records
    from benchmarks.reports.report import compared
    from benchmarks.reports.sources import load

    first, second = (source.record for source in load([a, b]))
    found = compare_records(first, second)
    if found.barriers and not different:
        raise UserError(
            f"these are measurements of different things: {_listed(found.barriers)}; --different "
            "compares them all the same"
        )
    for sentence in (*found.barriers, *found.notes):
        say(sentence)
    show(compared(found), markdown)


def _listed(sentences: tuple[str, ...]) -> str:
    more = len(sentences) - _MOST
    return "; ".join([*sentences[:_MOST], *([f"and {more} more"] if more > 0 else [])])
