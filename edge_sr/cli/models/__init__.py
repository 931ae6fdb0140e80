"""`edge-sr models`: lists the shipped networks, upscalers and codecs."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from edge_sr.cli.common import ForceOption, check_picture, parse_path
from edge_sr.cli.json_csv import JsonOption, check_files, write_json
from edge_sr.cli.streams import STANDARD
from edge_sr.errors import UserError


def models(
    json_file: JsonOption = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print quality, with published figures, as Markdown.")
    ] = False,
    fit: Annotated[
        bool,
        typer.Option(
            "--fit",
            help="List the int8 upscalers within the limits, by scale and test set, best first.",
        ),
    ] = False,
    ram: Annotated[
        str | None,
        typer.Option(metavar="BYTES", help="With --fit: limit of the engine's arena, such as 64K."),
    ] = None,
    flash: Annotated[
        str | None,
        typer.Option(metavar="BYTES", help="With --fit: limit of weights and engine code."),
    ] = None,
    max_macs: Annotated[
        str | None,
        typer.Option(
            metavar="MACS", help="With --fit: limit per low-resolution pixel, such as 1.5K."
        ),
    ] = None,
    width: Annotated[
        int | None,
        typer.Option(help="With --fit: width of the input frame in pixels.", show_default="320"),
    ] = None,
    scale: Annotated[
        int | None, typer.Option(help="With --fit: list networks of this scale only.")
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="PATH",
            help="Draw quality against parameters and MACs: .png, .pdf or .svg.",
            show_default="none",
        ),
    ] = None,
    force: ForceOption = False,
) -> None:
    """List the shipped networks: weights, MACs, file sizes, quality in float32 and int8.

    MACs are per low-resolution pixel, of codecs per pixel. PSNR (dB) and SSIM come from each
    network's card: BT.601 luma, with a border of `scale` pixels cropped (4 pixels for thermal
    images). A further table lists the codecs; their images are not cropped.
    """
    if sum([json_file is not None, markdown, picture is not None]) > 1:
        raise UserError("--json, --markdown and --picture exclude each other; give one")
    if fit and picture is not None:
        raise UserError("--picture and --fit exclude each other; give one")
    check_files(force, json_file)
    if fit:
        _fitting(ram, flash, max_macs, width, scale, json_file)
        return
    limits = {"--ram": ram, "--flash": flash, "--max-macs": max_macs}
    _refuse_limits({**limits, "--width": width, "--scale": scale})
    if picture is not None:
        _draw(picture, force)
    else:
        _list(json_file, markdown)


def _refuse_limits(options: dict[str, object]) -> None:
    """Refuse an option that works with --fit only."""
    for name, value in options.items():
        if value is not None:
            raise UserError(f"{name} works with --fit only: add --fit")


def _fitting(
    ram: str | None,
    flash: str | None,
    macs: str | None,
    width: int | None,
    scale: int | None,
    json_file: Path | None,
) -> None:
    from edge_sr.cli.models import fit
    from edge_sr.zoo import fitting

    limits = fitting.Limits(
        None if ram is None else fitting.parse_bytes(ram),
        None if flash is None else fitting.parse_bytes(flash),
        None if macs is None else fitting.parse_count(macs),
    )
    width = fit.WIDTH if width is None else width
    needs = fitting.find(limits, width, scale)
    if json_file is not None:
        write_json(json_file, [{**asdict(need), "width": width} for need in needs])
    if json_file != STANDARD:
        fit.show(needs, width)


def _draw(picture: Path, force: bool) -> None:
    from edge_sr.cli.models import figure
    from edge_sr.zoo import catalog, published, summary

    check_picture(picture, force)
    upscalers = [summary.upscaler(entry) for entry in catalog.entries("super-resolution")]
    figure.draw(picture, upscalers, published.results())
    typer.echo(f"{picture}")


def _list(json_file: Path | None, markdown: bool) -> None:
    from edge_sr.cli.models import codecs as codec_table
    from edge_sr.cli.models import table
    from edge_sr.zoo import catalog, published, summary

    upscalers = [summary.upscaler(entry) for entry in catalog.entries("super-resolution")]
    codecs = [summary.codec(entry) for entry in catalog.entries("codec")]
    if json_file is not None:
        write_json(json_file, [*map(asdict, upscalers), *map(asdict, codecs)])
    if markdown:
        lines = table.markdown_lines(upscalers, published.results())
        blocks = [lines, codec_table.markdown_lines(codecs)]
        typer.echo("\n\n".join("\n".join(block) for block in blocks if block))
    elif json_file != STANDARD:
        table.show([*table.tables(upscalers), *codec_table.tables(codecs)])
