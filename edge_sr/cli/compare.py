"""`edge-sr compare`: one picture of a detail, original, bicubic, float and int8 side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_sr.cli.common import (
    DEFAULT_MODEL,
    ForceOption,
    ModelOption,
    PerChannelOption,
    ScaleOption,
    check_picture,
    known_scale,
    open_model,
    parse_path,
)

if TYPE_CHECKING:
    from edge_sr.runtime.session import Session


def compare(
    image: Annotated[
        Path, typer.Argument(metavar="IMAGE", parser=parse_path, help="The original image.")
    ],
    model: ModelOption = DEFAULT_MODEL,
    scale: ScaleOption = None,
    out: Annotated[
        Path,
        typer.Option(
            parser=parse_path, metavar="PATH", help="The picture to write: .png, .pdf or .svg."
        ),
    ] = Path("compare.png"),
    crop: Annotated[
        str | None, typer.Option(help="X,Y,W,H in pixels.", show_default="where most detail is")
    ] = None,
    per_channel: PerChannelOption = False,
    force: ForceOption = False,
) -> None:
    """Draw a detail of an image as it was, and as bicubic, the float and the int8 network give it.

    The image is reduced by the scale first; PSNR and SSIM are of the luma of the whole image.
    """
    check_picture(out, force)
    from edge_sr.cli import picture
    from edge_sr.data.datasets import Pair, load_pair

    sessions = _sessions(model, scale)
    factor = next(iter(sessions.values())).scale
    low, original = load_pair(Pair(image.stem, image, None), factor)
    picture.check_size(original, factor, image.name)
    detail = picture.find_crop(crop, original)
    panels = picture.panels(original, low, sessions, per_channel)
    picture.draw(out, panels, detail, f"{image.name}, x{factor}")
    typer.echo(f"{out}")


def _sessions(model: str, scale: int | None) -> "dict[str, Session]":
    """A shipped model as float and int8; a file as it is."""
    if Path(model).suffix:
        artifact, session = open_model(model, scale)
        return {artifact.name: session}
    opened = (open_model(model, known_scale(scale), int8=int8) for int8 in (False, True))
    return {artifact.name: session for artifact, session in opened}
