"""`edge-sr bench compare`: compares two records, and tells differences from noise."""

from pathlib import Path
from typing import Annotated

import typer

from edge_sr.cli.common import parse_path, say
from edge_sr.cli.tables import show
from edge_sr.errors import UserError

_MAX_LISTED = 5
"""Maximum number of differences in a message."""


def compare(
    a: Annotated[Path, typer.Argument(parser=parse_path, help="Record A, the baseline.")],
    b: Annotated[Path, typer.Argument(parser=parse_path, help="Record B, with the same cases.")],
    different: Annotated[
        bool,
        typer.Option("--different", help="Compare even if device or files differ."),
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
) -> None:
    """Print the speed-up of record B over record A, case by case, and whether it is noise.

    The intervals cover the variation within the two runs, not that between processes: doubt
    differences of a few per cent.
    """
    from benchmarks.reports.compare import compare as compare_records
    from benchmarks.reports.comparison import comparison_table
    from benchmarks.reports.sources import load

    first, second = (source.record for source in load([a, b]))
    comparison = compare_records(first, second)
    if comparison.barriers and not different:
        raise UserError(
            f"the records are not comparable: {_listed(comparison.barriers)}; --different "
            "compares them anyway"
        )
    for sentence in (*comparison.barriers, *comparison.notes):
        say(sentence)
    show(comparison_table(comparison), markdown)


def _listed(sentences: tuple[str, ...]) -> str:
    more = len(sentences) - _MAX_LISTED
    return "; ".join([*sentences[:_MAX_LISTED], *([f"and {more} more"] if more > 0 else [])])
