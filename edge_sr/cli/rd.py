"""`edge-sr rd`: rate and distortion of codecs, and the tables of the TinyCompress slides."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_sr.cli.common import parse_path, progress
from edge_sr.cli.tables import show
from edge_sr.errors import UserError, require

if TYPE_CHECKING:
    from benchmarks.rate_distortion.codecs import Learned, TinyCompress
    from benchmarks.rate_distortion.records import Log
    from benchmarks.rate_distortion.study import ImageFile
    from benchmarks.rate_distortion.survey import Survey

DEFAULT_RATES = (4, 16, 64)
MAX_BPP = 24


def rd(
    folders: Annotated[
        list[Path],
        typer.Argument(parser=parse_path, metavar="FOLDER", help="Image sets, a folder each."),
    ],
    rates: Annotated[
        str | None,
        typer.Option(help="Rates of the networks.", show_default="4,16,64, or the table's"),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Id of a shipped codec, or a folder with a codec's .tflite; may be repeated.",
            show_default="all shipped codecs",
        ),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(
            help="Print only one table of the TinyCompress slides (Chiapputo & Bailey): aac (bpp "
            "with and without coding), quantizer (clipping against normalization), planes (bit "
            "planes), image (every image at each rate), jpeg (the image of their JPEG files)."
        ),
    ] = None,
    bpp: Annotated[
        str | None,
        typer.Option(
            metavar="BPP,...",
            help="Print only one table: all codecs and formats at these bits per pixel.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(parser=parse_path, metavar="DIR", help="Output folder.")
    ] = Path("rd"),
    markdown: Annotated[bool, typer.Option("--markdown", help="Print tables as Markdown.")] = False,
) -> None:
    """Measure bits per pixel, PSNR and MS-SSIM of codecs, and compare JPEG, WebP and AVIF.

    Networks, float32 and int8, are measured with 1 to 8 bit planes, or at qualities 1 to 10. Each
    format is measured with the quality whose mean bpp over the set is nearest. All figures are kept
    in DIR/records.csv: after Ctrl-C the same command resumes.
    """
    from benchmarks.rate_distortion.codecs import open_learned, open_networks
    from benchmarks.rate_distortion.folder import open_folder
    from benchmarks.rate_distortion.records import Log
    from benchmarks.rate_distortion.slides import TABLES
    from benchmarks.rate_distortion.study import find_sets

    if table is not None and table not in TABLES:
        raise UserError(f"unknown table {table!r}; available: {', '.join(TABLES)}")
    if table is not None and bpp is not None:
        raise UserError("--table and --bpp exclude each other; give one")
    targets = [] if bpp is None else _parse_bpp(bpp)
    default = DEFAULT_RATES if table is None else TABLES[table].rates
    networks = open_networks(model or [], default if rates is None else _parse_rates(rates))
    others = open_learned(model or []) if table is None else []
    if not networks and not others:
        raise UserError("a table of the slides needs a TinyCompress codec")
    sets = find_sets(folders, out)
    log = Log(open_folder(out))
    if targets:
        _at_equal_bpp(log, sets, [*others, *networks], targets, markdown)
        return
    if table is None:
        _survey(log, sets, [*others, *networks], out, markdown)
        return
    for images in sets:
        for each in TABLES[table].make(log, images, networks, progress):
            show(each, markdown)


def _parse_rates(text: str) -> tuple[int, ...]:
    from edge_sr.codec.header import RATES

    known = {str(rate): rate for rate in RATES}
    parts = [part.strip() for part in text.split(",")]
    wrong = [part for part in parts if part not in known]
    if wrong:
        raise UserError(f"unknown rate {wrong[0]!r}; available: {', '.join(known)}")
    return tuple(sorted({known[part] for part in parts}))


def _parse_bpp(text: str) -> list[float]:
    """Return bits per pixel from a list of numbers."""
    try:
        targets = sorted({float(part) for part in text.split(",")})
    except ValueError:
        targets = []
    if not targets or not all(0 < target <= MAX_BPP for target in targets):
        raise UserError(f"--bpp takes numbers above 0, up to {MAX_BPP}, such as 0.2,0.4")
    return targets


def _at_equal_bpp(
    log: "Log",
    sets: "Sequence[Sequence[ImageFile]]",
    networks: "Sequence[TinyCompress | Learned]",
    targets: Sequence[float],
    markdown: bool,
) -> None:
    """Print what networks and formats reach at the same bits per pixel."""
    from benchmarks.rate_distortion.codecs import AT_EQUAL_BPP, PhotoFormat
    from benchmarks.rate_distortion.equal import compare
    from benchmarks.rate_distortion.tables import at_equal_bpp

    codecs = [*networks, *map(PhotoFormat, AT_EQUAL_BPP)]
    for images in sets:
        rows = compare(log, images, codecs, targets, progress)
        show(at_equal_bpp(images[0].collection, rows), markdown)


def _survey(
    log: "Log",
    sets: "Sequence[Sequence[ImageFile]]",
    networks: "Sequence[TinyCompress | Learned]",
    out: Path,
    markdown: bool,
) -> None:
    """Measure all sets; print tables, and write CSV files and plots into the folder."""
    from benchmarks.rate_distortion import folder
    from benchmarks.rate_distortion.codecs import FORMATS, PhotoFormat
    from benchmarks.rate_distortion.survey import survey
    from benchmarks.rate_distortion.tables import survey_tables

    formats = [PhotoFormat(name) for name in FORMATS]
    surveys = []
    for images in sets:
        surveys.append(survey(log, images, networks, formats, progress))
        _warn_of_small_images(surveys[-1])
        for table in survey_tables(surveys[-1]):
            show(table, markdown)
    folder.write_surveys(out, surveys)
    _draw(surveys, out)


def _warn_of_small_images(survey: "Survey") -> None:
    from benchmarks.rate_distortion.quality import MS_SSIM_SIDE

    if survey.small:
        typer.echo(
            f"{survey.collection}: MS-SSIM needs images of at least {MS_SSIM_SIDE}x{MS_SSIM_SIDE} "
            f"pixels; its means exclude {', '.join(survey.small)}",
            err=True,
        )


def _draw(surveys: "Sequence[Survey]", out: Path) -> None:
    """Draw the plots, or say why there are none."""
    try:
        require("matplotlib", "plot")
    except UserError as error:
        typer.echo(f"no plots were drawn: {error}", err=True)
        return
    from benchmarks.rate_distortion.plots import draw_survey

    for survey in surveys:
        drawn, missing = draw_survey(out, survey)
        for path in drawn:
            typer.echo(f"{path}")
        for path in missing:
            typer.echo(f"{path} was not drawn: no image has this figure", err=True)
