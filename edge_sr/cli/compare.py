"""`edge-sr compare`: draws a crop of an image: original, bicubic, float32 and int8."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_sr.cli.common import (
    ForceOption,
    PerChannelOption,
    ScaleOption,
    check_picture,
    parse_path,
)
from edge_sr.cli.options import NetworkOption

if TYPE_CHECKING:
    from edge_sr.runtime.session import Session


def compare(
    image: Annotated[
        Path, typer.Argument(metavar="IMAGE", parser=parse_path, help="The original image.")
    ],
    model: NetworkOption = None,
    scale: ScaleOption = None,
    out: Annotated[
        Path,
        typer.Option(
            parser=parse_path, metavar="PATH", help="The figure to write: .png, .pdf or .svg."
        ),
    ] = Path("compare.png"),
    crop: Annotated[
        str | None,
        typer.Option(
            help="Crop X,Y,W,H (left, top, width, height) in pixels.",
            show_default="the most detailed one",
        ),
    ] = None,
    per_channel: PerChannelOption = False,
    force: ForceOption = False,
) -> None:
    """Draw a crop of an image next to its bicubic, float32 and int8 upscaling.

    The image is reduced by the scale first. PSNR and SSIM are computed on the luma of the whole
    image.
    """
    from edge_sr import comparison
    from edge_sr.cli import compare_figure
    from edge_sr.data.datasets import Pair, load_pair
    from edge_sr.data.images import check_file
    from edge_sr.zoo import catalog

    catalog.resolve(model, scale, kind="super-resolution")
    check_file(image)
    area = None if crop is None else comparison.parse_crop(crop)
    check_picture(out, force)
    sessions = _sessions(model, scale)
    factor = next(iter(sessions.values())).scale
    low, original = load_pair(Pair(image.stem, image, None), factor)
    comparison.check_size(original, factor, image.name)
    if area is None:
        area = comparison.most_detailed(original)
    area.check_inside(original.shape)
    panels = comparison.panels(original, low, sessions, per_channel)
    compare_figure.draw(out, panels, area, f"{image.name}, x{factor}")
    typer.echo(f"{out}")


def _sessions(model: str | None, scale: int | None) -> "dict[str, Session]":
    """Open a shipped network in float32 and in int8, or a file in its own precision."""
    from edge_sr.zoo import catalog
    from edge_sr.zoo.artifact import open_upscaler

    if catalog.resolve(model, scale).entry is None:
        artifact, session = open_upscaler(model, scale)
        return {artifact.name: session}
    precisions: tuple[catalog.Precision, ...] = ("float32", "int8")
    opened = (open_upscaler(model, scale, precision=each) for each in precisions)
    return {artifact.name: session for artifact, session in opened}
