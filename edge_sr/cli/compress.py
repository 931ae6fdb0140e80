"""`edge-sr compress`: compresses an image, or a folder of images, to .tcz files."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_sr.cli import streams
from edge_sr.cli.common import ForceOption, parse_path, say
from edge_sr.cli.folders import Task, check_target, run_folder
from edge_sr.cli.options import complete_codec
from edge_sr.cores import cores
from edge_sr.errors import UserError
from edge_sr.files import read_at_most

if TYPE_CHECKING:
    import numpy as np

    from edge_sr.codec.network import Network
    from edge_sr.data.image_types import Image

SUFFIX = ".tcz"

CodecOption = Annotated[
    str | None,
    typer.Option(
        metavar="CODEC",
        autocompletion=complete_codec,
        help="Id of a shipped codec (`edge-sr models`), or a folder with a codec's .tflite.",
        show_default="the codec of the rate or file",
    ),
]
CodecThreadsOption = Annotated[
    int | None, typer.Option(help="Threads.", show_default="one per core")
]
MaxPixelsOption = Annotated[
    int,
    typer.Option(min=1, help="Largest number of pixels of an image; larger images are refused."),
]
MAX_PIXELS = 100_000_000

# Limits of standard input: no image of `max_pixels` is larger.
_BYTES_PER_PIXEL = 8  # 16-bit RGBA
_METADATA_BYTES = 1 << 24


def compress(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN", parser=parse_path, help="An image, a folder of images, or - for stdin."
        ),
    ],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            parser=parse_path,
            help="The .tcz file to write, a folder for .tcz files, or - for stdout.",
        ),
    ],
    rate: Annotated[
        int | None,
        typer.Option(
            help="Pixels per latent sample: 4, 16, 64 or 256.", show_default="the codec's, else 16"
        ),
    ] = None,
    model: CodecOption = None,
    int8: Annotated[
        bool, typer.Option("--int8/--float32", help="Precision of the network.")
    ] = True,
    planes: Annotated[
        int | None,
        typer.Option(help="Bit planes to keep, 1 to 8.", show_default="8"),
    ] = None,
    target_bpp: Annotated[
        float | None,
        typer.Option(help="Largest size in bits per pixel; keeps the bit planes that fit."),
    ] = None,
    quantizer: Annotated[
        str, typer.Option(help="clipping, or normalization (with --float32 only).")
    ] = "clipping",
    threads: CodecThreadsOption = None,
    max_pixels: MaxPixelsOption = MAX_PIXELS,
    force: ForceOption = False,
) -> None:
    """Compress an image, or a folder of images, with TinyCompress.

    Gray images stay gray; transparency and colour profiles are dropped, and 16 bits become 8. Fewer
    bit planes make a smaller file of lower quality. docs/reference/tcz.md describes the format.
    """
    from edge_sr.zoo import catalog

    encode = _encoder(planes, target_bpp, quantizer, int8)
    count = count_threads(threads)
    catalog.resolve(model, rate=rate, kind="codec")
    if source != streams.STANDARD and not source.exists():
        raise UserError(f"cannot read {source}: no such file or folder")
    if source.is_dir():
        if target == streams.STANDARD:
            raise UserError("standard output takes one file; name a folder for the .tcz files")
        check_target(source, target)
    else:
        _check_file(target, force)

    from edge_sr.codec import opening
    from edge_sr.data.images import list_images

    codec = opening.find(rate, int8, model, count)

    def work(image: Path, path: Path) -> str | None:
        return _compress_file(image, path, lambda pixels: encode(pixels, codec), max_pixels)

    if source.is_dir():
        task = Task("compressing", "compressed", SUFFIX, list_images, work)
        run_folder(source, target, force, task)
    else:
        say(work(source, target))


def count_threads(threads: int | None) -> int:
    """Return the number of threads of a codec's networks; None means one per core.

    Raises:
        UserError: the number is out of range.
    """
    from edge_sr.runtime.runtimes import MAX_THREADS

    if threads is None:
        return min(len(cores()), MAX_THREADS)
    if not 1 <= threads <= MAX_THREADS:
        raise UserError(f"--threads takes 1 to {MAX_THREADS}, not {threads}")
    return threads


def _check_file(target: Path, force: bool) -> None:
    """Refuse an output that cannot be written or is not named .tcz."""
    streams.check_output(target, force)
    if target != streams.STANDARD and target.suffix.lower() != SUFFIX:
        raise UserError(f"cannot write {target}: its name must end in {SUFFIX}")


def _encoder(
    planes: int | None, target_bpp: float | None, quantizer: str, int8: bool
) -> "Callable[[np.ndarray, Network], bytes]":
    """Return the compression that the options describe, as a function of an image and a network."""
    from edge_sr.codec import codec
    from edge_sr.codec.network import check_kind
    from edge_sr.codec.planes import BITS, check
    from edge_sr.codec.quantizer import Kind

    if quantizer.upper() not in Kind.__members__:
        names = ", ".join(kind.name.lower() for kind in Kind)
        raise UserError(f"unknown quantizer {quantizer!r}; available: {names}")
    kind = Kind[quantizer.upper()]
    check_kind(kind, int8)
    if target_bpp is None:
        count = BITS if planes is None else planes
        check(count)
        return lambda pixels, network: codec.compress(pixels, network, count, kind)
    if planes is not None:
        raise UserError("--planes and --target-bpp exclude each other; give one")
    if not (math.isfinite(target_bpp) and target_bpp > 0):
        raise UserError(f"--target-bpp takes a number above 0, not {target_bpp:g}")
    bpp = target_bpp
    return lambda pixels, network: codec.compress_within(pixels, network, bpp, kind)


def _compress_file(
    source: Path, target: Path, encode: "Callable[[np.ndarray], bytes]", max_pixels: int
) -> str | None:
    """Compress one image; return a note on what was converted or dropped."""
    from edge_sr.data.image_formats import PROFILE_LEFT_OUT

    with streams.naming(source):
        image = _read(source, max_pixels)
        data = encode(image.pixels)
    streams.write(target, data)
    if image.profile is None:
        return image.note
    start = f"{image.note};" if image.note else f"{Path(streams.name_of(source)).name}:"
    return f"{start} {PROFILE_LEFT_OUT}"


def _read(source: Path, max_pixels: int) -> "Image":
    from edge_sr.data.images import TooManyPixelsError, read_image, read_image_bytes

    try:
        if source != streams.STANDARD:
            return read_image(source, max_pixels)
        return read_image_bytes(_standard_input(max_pixels), streams.name_of(source), max_pixels)
    except TooManyPixelsError as error:
        raise UserError(f"{error}, which --max-pixels raises") from None


def _standard_input(max_pixels: int) -> bytes:
    """Read all of standard input; stop early if it does not start like an image."""
    from edge_sr.data.images import START_BYTES, check_start

    with streams.reading(streams.STANDARD) as stream:
        start = read_at_most(stream, START_BYTES)
        check_start(start, streams.name_of(streams.STANDARD))
        return start + read_at_most(stream, _BYTES_PER_PIXEL * max_pixels + _METADATA_BYTES)
