"""`edge-sr decompress`: decompresses a .tcz file, or a folder of them, to images."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_sr.cli import streams
from edge_sr.cli.common import ForceOption, parse_path, say
from edge_sr.cli.compress import (
    MAX_PIXELS,
    SUFFIX,
    CodecOption,
    CodecThreadsOption,
    MaxPixelsOption,
    count_threads,
)
from edge_sr.cli.folders import Task, check_target, run_folder
from edge_sr.errors import UserError

if TYPE_CHECKING:
    from edge_sr.codec import header2
    from edge_sr.codec.autoencoder import Autoencoder
    from edge_sr.codec.header import Header
    from edge_sr.codec.network import Network

    Decoder = Network | Autoencoder
    Find = Callable[[Header | header2.Header], Decoder]


@dataclass(frozen=True)
class Request:
    """The options of decoding."""

    planes: int | None
    salvage: bool
    max_pixels: int


def decompress(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN", parser=parse_path, help="A .tcz file, a folder of them, or - for stdin."
        ),
    ],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            parser=parse_path,
            help="The image to write, a folder for PNG files, or - for a PNG on stdout.",
        ),
    ],
    planes: Annotated[
        int | None,
        typer.Option(
            help="TinyCompress: bit planes to decode, from the most significant.",
            show_default="all",
        ),
    ] = None,
    salvage: Annotated[
        bool,
        typer.Option(
            "--salvage", help="Decode damaged files up to the damage, and ignore surplus bytes."
        ),
    ] = False,
    model: CodecOption = None,
    threads: CodecThreadsOption = None,
    max_pixels: MaxPixelsOption = MAX_PIXELS,
    force: ForceOption = False,
) -> None:
    """Decompress a .tcz file to an image, or a folder of .tcz files to images.

    Truncated files of TinyCompress decode to their intact bit planes; those of other codecs need
    --salvage, which decodes the rows that are there.
    """
    from edge_sr.codec import opening

    find = _finder(model, count_threads(threads))
    if model is not None:
        opening.has_qualities(model)
    if source != streams.STANDARD and not source.exists():
        raise UserError(f"cannot read {source}: no such file or folder")
    if source.is_dir():
        if target == streams.STANDARD:
            raise UserError("standard output takes one image; name a folder for the images")
        check_target(source, target)
    else:
        _check_file(target, force)
    request = Request(planes, salvage, max_pixels)

    def work(file: Path, path: Path) -> str | None:
        return _decompress_file(file, path, find, request)

    if source.is_dir():
        task = Task(
            "decompressing", "decompressed", ".png", _list_files, work, f"{SUFFIX} file", "a"
        )
        run_folder(source, target, force, task)
    else:
        say(work(source, target))


def _check_file(target: Path, force: bool) -> None:
    """Refuse an output that cannot be written or has an unknown suffix."""
    from edge_sr.data.image_formats import check_suffix

    streams.check_output(target, force)
    if target != streams.STANDARD:
        check_suffix(target)


def _finder(model: str | None, threads: int) -> "Find":
    """Return a function that finds the decoder of a file, and opens each decoder once."""
    from edge_sr.codec import opening

    opened: dict[tuple[str, bytes], Decoder] = {}

    def find(header: "Header | header2.Header") -> "Decoder":
        key = header.model_id, header.model_hash
        if key not in opened:
            opened[key] = opening.find_for(header, model, threads)
        return opened[key]

    return find


def _list_files(folder: Path) -> list[Path]:
    """Return all .tcz files below a folder, sorted, without hidden files and folders."""
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() == SUFFIX
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not files:
        raise UserError(f"{folder} holds no {SUFFIX} file; `edge-sr compress` writes them")
    return files


def _decompress_file(source: Path, target: Path, find: "Find", request: Request) -> str | None:
    """Decompress one file; return a note on missing or surplus bytes."""
    from edge_sr.codec import codec, versions
    from edge_sr.data.image_writer import png_bytes, write_image

    with streams.naming(source):
        with streams.reading(source) as stream:
            data = versions.read(stream, request.max_pixels)
        options = request.planes, request.salvage, request.max_pixels
        decoded = codec.decompress(data, find, *options)
    if target == streams.STANDARD:
        streams.write(target, png_bytes(decoded.pixels))
    else:
        write_image(target, decoded.pixels.shape, [decoded.pixels])
    return f"{Path(streams.name_of(source)).name}: {decoded.note}" if decoded.note else None
