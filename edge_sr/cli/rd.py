"""`edge-sr rd`: rate and distortion of the codec on sets of images, and the slides' tables."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_sr.cli import rd_slides
from edge_sr.cli.common import parse_path, print_markdown, progress
from edge_sr.errors import UserError, require

if TYPE_CHECKING:
    from benchmarks.rate_distortion.codecs import TinyCompress
    from benchmarks.rate_distortion.records import Log
    from benchmarks.rate_distortion.study import Picture
    from benchmarks.rate_distortion.survey import Survey
    from benchmarks.rate_distortion.tables import Table

DEFAULT_RATES = (4, 16, 64)


def rd(
    folders: Annotated[
        list[Path],
        typer.Argument(parser=parse_path, metavar="FOLDER", help="Sets of images, a folder each."),
    ],
    rates: Annotated[
        str | None,
        typer.Option(help="Rates of the networks.", show_default="4,16,64, or the table's"),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="A shipped codec, or a folder laid out like one; may be repeated.",
            show_default="all that are shipped",
        ),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(
            help="Only one of the slides' tables: aac (bpp with and without coding), quantizer "
            "(clipping against normalization), planes (bit planes), image (every image at each "
            "rate), jpeg (the image that their JPEGs are of)."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(parser=parse_path, metavar="DIR", help="Folder of the results.")
    ] = Path("rd"),
    markdown: Annotated[bool, typer.Option("--markdown", help="Print tables as Markdown.")] = False,
) -> None:
    """Measure bits per pixel, PSNR and MS-SSIM of the codec, beside JPEG, WebP and AVIF.

    Networks, float32 and int8, are measured with 1 to 8 bit planes, and each format with the one
    quality whose mean bpp over the set is nearest. Every image's figures are kept in
    DIR/records.csv: after Ctrl-C the same command goes on from there.
    """
    from benchmarks.rate_distortion.codecs import open_networks
    from benchmarks.rate_distortion.folder import open_folder
    from benchmarks.rate_distortion.records import Log

    if table is not None and table not in rd_slides.TABLES:
        raise UserError(f"there is no table {table!r}; there are {', '.join(rd_slides.TABLES)}")
    default = DEFAULT_RATES if table is None else rd_slides.TABLES[table].rates
    networks = open_networks(model or [], default if rates is None else _parse_rates(rates))
    sets = _find_sets(folders, out)
    log = Log(open_folder(out))
    if table is None:
        _survey(log, sets, networks, out, markdown)
        return
    for pictures in sets:
        for made in rd_slides.TABLES[table].make(log, pictures, networks):
            _show(made, markdown)


def _parse_rates(text: str) -> tuple[int, ...]:
    from edge_sr.codec.header import RATES

    known = {str(rate): rate for rate in RATES}
    parts = [part.strip() for part in text.split(",")]
    wrong = [part for part in parts if part not in known]
    if wrong:
        raise UserError(f"there is no rate {wrong[0]!r}; there are {', '.join(known)}")
    return tuple(sorted({known[part] for part in parts}))


def _find_sets(folders: Sequence[Path], out: Path) -> "list[list[Picture]]":
    from benchmarks.rate_distortion.study import find_pictures

    sets: dict[str, list[Picture]] = {}
    for folder in folders:
        if out.resolve().is_relative_to(folder.resolve()):
            raise UserError(f"{out} lies in {folder}, whose images it shows; name another --out")
        pictures = find_pictures(folder)
        name = pictures[0].collection
        if name in sets:
            raise UserError(f"two of the folders are called {name}; rename one")
        sets[name] = pictures
    return list(sets.values())


def _survey(
    log: "Log",
    sets: "Sequence[Sequence[Picture]]",
    networks: "Sequence[TinyCompress]",
    out: Path,
    markdown: bool,
) -> None:
    """Measure all there is; tables on the terminal, CSV files and plots into the folder."""
    from benchmarks.rate_distortion import folder
    from benchmarks.rate_distortion.codecs import FORMATS, PhotoFormat
    from benchmarks.rate_distortion.survey import survey

    formats = [PhotoFormat(name) for name in FORMATS]
    surveys = []
    for pictures in sets:
        found = survey(log, pictures, networks, formats, progress)
        surveys.append(found)
        _note_small(found)
        for made in _tables(found):
            _show(made, markdown)
    curves = ((s.collection, curve) for s in surveys for curve in s.all_curves())
    folder.write_means(out, curves)
    folder.write_matches(out, (pair for found in surveys for pair in found.pairs()))
    _draw(surveys, out)


def _tables(found: "Survey") -> "list[Table]":
    from benchmarks.rate_distortion.tables import beside_formats, latents

    beside = []
    for place, curve in enumerate(found.curves):
        matches = {name: rows[place] for name, rows in found.matches.items()}
        beside.append(beside_formats(found.collection, curve, matches))
    return [*beside, *(latents(found.collection, curve) for curve in found.curves)]


def _note_small(found: "Survey") -> None:
    """Say which images are too small for MS-SSIM."""
    from benchmarks.rate_distortion.quality import MS_SSIM_SIDE

    if found.small:
        typer.echo(
            f"{found.collection}: MS-SSIM takes images of {MS_SSIM_SIDE}x{MS_SSIM_SIDE} and more; "
            f"its means leave out {', '.join(found.small)}",
            err=True,
        )


def _draw(surveys: "Iterable[Survey]", out: Path) -> None:
    """The plots, or a word of what they lack."""
    try:
        require("matplotlib", "plot")
    except UserError as error:
        typer.echo(f"no plots were drawn: {error}", err=True)
        return
    from benchmarks.rate_distortion.plots import FIGURES, draw, file_name

    for found in surveys:
        drawn = draw(out, found.collection, found.curves, found.formats)
        for path in drawn:
            typer.echo(f"{path}")
        for name in FIGURES:
            path = out / file_name(found.collection, name)
            if path not in drawn:
                typer.echo(f"{path} was not drawn: no image has a figure for it", err=True)


def _show(table: "Table", markdown: bool) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table as Drawn

    if markdown:
        typer.echo(f"{table.title}\n")
        print_markdown(table.headings, table.rows)
        return
    drawn = Drawn(title=table.title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for place, heading in enumerate(table.headings):
        # In a narrow terminal a figure goes on in the next line: nothing of it may be lost.
        drawn.add_column(heading, justify="right" if place else "left", overflow="fold")
    for row in table.rows:
        drawn.add_row(*row)
    Console(markup=False).print(drawn)
