"""`edge-sr bench report`: prints records as tables, and writes them as CSV or HTML."""

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
            metavar="RECORD...", parser=parse_path, help="Records, written by bench --out."
        ),
    ],
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    csv: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path, metavar="PATH", help="Also write a CSV file.", show_default="none"
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="PATH",
            help="Also write an HTML page with plots; it loads nothing.",
            show_default="none",
        ),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Recommend a runtime for each record's device, and print all figures.

    Nothing is measured. Results that are emulated, throttled, noisy, wrong or missing are flagged.
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
    """Check the output files before any work.

    Raises:
        UserError: a file cannot be written, or is named twice, or is one of the records.
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
        line("\nRecommendations for this device:")
    if markdown and section.advice:
        line("")
    for what, sentence in section.advice:
        line(f"- {mean(what)}: {mean(sentence)}")
    line("")
    for table in section.tables:
        show(table, markdown)
    line("")
