"""`edge-sr upscale`: upscales an image, or a folder of images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_sr.cli.common import (
    ForceOption,
    InputRangeOption,
    Int8Option,
    OutputRangeOption,
    PerChannelOption,
    RuntimeOption,
    ScaleOption,
    ThreadsOption,
    check_file_name,
    check_new,
    parse_path,
    precision_of,
    range_of,
    say,
)
from edge_sr.cli.folders import Task, check_target, run_folder
from edge_sr.cli.options import NetworkOption
from edge_sr.errors import UserError

if TYPE_CHECKING:
    from edge_sr.runtime.session import Session


def upscale(
    source: Annotated[
        Path,
        typer.Argument(metavar="IN", parser=parse_path, help="An image, or a folder of images."),
    ],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", parser=parse_path, help="The image to write, or a folder for PNG files."
        ),
    ],
    model: NetworkOption = None,
    scale: ScaleOption = None,
    runtime: RuntimeOption = None,
    int8: Int8Option = None,
    threads: ThreadsOption = None,
    input_range: InputRangeOption = None,
    output_range: OutputRangeOption = None,
    per_channel: PerChannelOption = False,
    force: ForceOption = False,
) -> None:
    """Upscale an image of any size, or a folder of images.

    The network upscales luma; chroma is upscaled by bicubic interpolation. PNG files are written
    while they are computed, so that memory does not hold the whole result. A .tflite with strides
    or global operators takes the image as a whole.
    """
    from edge_sr.data.image_formats import check_suffix
    from edge_sr.data.images import check_file
    from edge_sr.upscaling import upscale_file
    from edge_sr.zoo.artifact import check_options, open_upscaler

    def open_session() -> "Session":
        ranges = range_of(input_range), range_of(output_range)
        return open_upscaler(model, scale, runtime, precision_of(int8), threads, *ranges)[1]

    check_options(model, scale, runtime, precision_of(int8), threads)
    if not source.exists():
        raise UserError(f"cannot read {source}: no such file or folder")
    if source.is_dir():
        check_target(source, target)
        session = open_session()
        upscale_folder(session, source, target, per_channel, force)
        return
    check_file(source)
    check_file_name(target)
    check_suffix(target)
    check_new(target, force)
    say(upscale_file(open_session(), source, target, per_channel).note)


def upscale_folder(
    session: "Session", source: Path, target: Path, per_channel: bool, force: bool
) -> None:
    """Upscale all images below a folder to PNG files below another; continue after a bad one.

    Raises:
        UserError: nothing can be upscaled, or, at the end, some image could not be.
    """
    from edge_sr.data.images import list_images
    from edge_sr.upscaling import upscale_file

    def work(image: Path, path: Path) -> str | None:
        return upscale_file(session, image, path, per_channel).note

    run_folder(source, target, force, Task("upscaling", "upscaled", ".png", list_images, work))
