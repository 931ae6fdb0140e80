"""`edge-sr compress`: compresses an image, or a folder of images, to .tcz files."""

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
    from edge_sr.codec.request import Encode
    from edge_sr.data.image_types import Image

SUFFIX = ".tcz"

CodecOption = Annotated[
    str | None,
    typer.Option(
        metavar="CODEC",
        autocompletion=complete_codec,
        help="Id of a shipped codec (`edge-sr models`), cae for the pair cae-low and cae-high, or "
        "a folder with a codec's files.",
        show_default="the codec of the options or file",
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
    quality: Annotated[
        float | None,
        typer.Option(
            help="Quality, 1 to 10, also between whole numbers; selects cae-low or cae-high.",
            show_default="5",
        ),
    ] = None,
    target_bpp: Annotated[
        float | None,
        typer.Option(
            help="Largest size in bits per pixel: the highest quality, or the bit planes, that fit."
        ),
    ] = None,
    model: CodecOption = None,
    rate: Annotated[
        int | None,
        typer.Option(
            help="TinyCompress: pixels per latent sample: 4, 16, 64 or 256.",
            show_default="the codec's, else 16",
        ),
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8/--float32", help="Precision of the network.")
    ] = True,
    planes: Annotated[
        int | None,
        typer.Option(help="TinyCompress: bit planes to keep, 1 to 8.", show_default="8"),
    ] = None,
    quantizer: Annotated[
        str | None,
        typer.Option(
            help="TinyCompress: clipping, or normalization (with --float32 only).",
            show_default="clipping",
        ),
    ] = None,
    threads: CodecThreadsOption = None,
    max_pixels: MaxPixelsOption = MAX_PIXELS,
    force: ForceOption = False,
) -> None:
    """Compress an image, or a folder of images, with a learned codec.

    Gray images stay gray; transparency and colour profiles are dropped, and 16 bits become 8. The
    codecs cae-low and cae-high have qualities; those of TinyCompress have a rate and bit planes.
    docs/reference/tcz.md describes the format.
    """
    from edge_sr.codec.request import Request

    request = Request(quality, target_bpp, model, rate, int8, planes, quantizer)
    request.check()
    count = count_threads(threads)
    if source != streams.STANDARD and not source.exists():
        raise UserError(f"cannot read {source}: no such file or folder")
    if source.is_dir():
        if target == streams.STANDARD:
            raise UserError("standard output takes one file; name a folder for the .tcz files")
        check_target(source, target)
    else:
        _check_file(target, force)

    from edge_sr.data.images import list_images

    encode = request.open(count)

    def work(image: Path, path: Path) -> str | None:
        return _compress_file(image, path, encode, max_pixels)

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


def _compress_file(source: Path, target: Path, encode: "Encode", max_pixels: int) -> str | None:
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
