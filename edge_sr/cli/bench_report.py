"""`edge-sr bench report`: what records say, as tables, a sheet or a page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_sr.cli.common import ForceOption, check_new, parse_path, say
from edge_sr.cli.tables import escape, show, show_text
from edge_sr.errors import UserError

if TYPE_CHECKING:
    from benchmarks.reports.report import Section


def report(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="RECORD...", parser=parse_path, help="Records, as bench --out writes them."
        ),
    ],
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, to be pasted.")
    ] = False,
    csv: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path, metavar="PATH", help="Write a sheet as well.", show_default="none"
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="PATH",
            help="Write a page with drawings as well; it needs no network.",
            show_default="none",
        ),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Say which runtime to choose on each record's device, and print all figures.

    Nothing is measured. What was emulated, throttled, noisy, wrong or not measured says so.
    """
    from benchmarks.reports import page, sheet
    from benchmarks.reports.report import sections
    from benchmarks.reports.sources import load

    _check_outputs(csv, html, files, force)
    sources = load(files)
    for path, render in ((csv, sheet.write), (html, page.render)):
        if path is not None:
            _write(path, render(sources))
    for section in sections(sources):
        _print(section, markdown)


def _check_outputs(csv: Path | None, html: Path | None, files: list[Path], force: bool) -> None:
    """Before any work.

    Raises:
        UserError: they cannot be written, or are the same, or one of the records.
    """
    outputs = [path for path in (csv, html) if path is not None]
    taken = [path.resolve() for path in files]
    for path in outputs:
        check_new(path, force)
        if path.resolve() in taken:
            raise UserError(f"{path} is named twice; write to another file")
        taken.append(path.resolve())


def _write(path: Path, text: str) -> None:
    from edge_sr.files import replacing

    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    say(f"wrote {path}")


def _print(section: "Section", markdown: bool) -> None:
    mean, line = (escape, typer.echo) if markdown else (str, show_text)
    line(f"{'## ' if markdown else ''}{mean(section.source.label)}")
    for warning in section.warnings:
        line(f"\n{mean(warning)}")
    if section.advice:
        line("\nOn this device:")
    if markdown and section.advice:
        line("")
    for what, sentence in section.advice:
        line(f"- {mean(what)}: {mean(sentence)}")
    line("")
    for table in section.tables:
        show(table, markdown)
    line("")
