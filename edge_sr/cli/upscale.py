"""`edge-sr upscale`: an image, or a folder of them."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_sr.cli.common import (
    DEFAULT_MODEL,
    ForceOption,
    Int8Option,
    ModelOption,
    PerChannelOption,
    RuntimeOption,
    ScaleOption,
    ThreadsOption,
    check_file_name,
    check_folder,
    check_new,
    open_model,
    parse_path,
    progress,
)
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
    model: ModelOption = DEFAULT_MODEL,
    scale: ScaleOption = None,
    runtime: RuntimeOption = None,
    int8: Int8Option = None,
    threads: ThreadsOption = None,
    per_channel: PerChannelOption = False,
    force: ForceOption = False,
) -> None:
    """Upscale an image of any size, or a folder of images.

    The network upscales luma, and chroma is upscaled bicubically. PNG files are written while they
    are computed, so that their size costs no memory.
    """
    from edge_sr.data.images import check_suffix
    from edge_sr.upscale import upscale_file

    if not source.exists():
        raise UserError(f"cannot read {source}: no such file or folder")
    if source.is_dir():
        _check_target(source, target)
        _, session = open_model(model, scale, runtime, int8, threads)
        upscale_folder(session, source, target, per_channel, force)
        return
    check_file_name(target)
    check_suffix(target)
    check_new(target, force)
    _, session = open_model(model, scale, runtime, int8, threads)
    _say(upscale_file(session, source, target, per_channel).note)


def _check_target(source: Path, target: Path) -> None:
    if target.is_file():
        raise UserError(f"{target} is a file; for a folder of images name a folder")
    if target.is_dir() and target.samefile(source):
        raise UserError(f"the images and the results cannot both be in {source}; name two folders")
    check_folder(target)


def upscale_folder(
    session: "Session", source: Path, target: Path, per_channel: bool, force: bool
) -> None:
    """Upscale all images below a folder to PNG files below another; a bad one stops no other.

    Raises:
        UserError: nothing can be done, or, at the end, an image could not be upscaled.
    """
    from edge_sr.upscale import upscale_file

    jobs = _jobs(source, target)
    for _, path in jobs:
        if path.exists() and not force:
            raise UserError(f"{path} exists; --force replaces it")
    failures = 0
    for image, path in progress(jobs, "upscaling", len(jobs)):
        try:
            _make_folder(path.parent)
            _say(upscale_file(session, image, path, per_channel).note)
        except UserError as error:
            failures += 1
            _say(str(error))
    if failures:
        raise UserError(f"{failures} of {len(jobs)} images could not be upscaled; see above")


def _jobs(source: Path, target: Path) -> list[tuple[Path, Path]]:
    """Each image with the PNG file it becomes; says what is left out."""
    from edge_sr.data.images import list_images

    images = [path for path in list_images(source) if not path.is_relative_to(target)]
    if not images:
        raise UserError(f"{source} holds no image but those in {target}")
    _say(_skipped(source, target, set(images)))
    return _named(images, source, target)


def _skipped(source: Path, target: Path, images: set[Path]) -> str | None:
    """One sentence on the files below `source` that are not upscaled, hidden ones aside."""
    others = [
        path
        for path in sorted(source.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(source).parts)
        and not path.is_relative_to(target)
        and path not in images
    ]
    if len(others) > 1:
        return f"skipped {len(others)} files that are not images, such as {others[0]}"
    return f"skipped {others[0]}: not an image" if others else None


def _named(images: list[Path], source: Path, target: Path) -> list[tuple[Path, Path]]:
    """Where each image goes; a.jpg beside a.bmp become a.jpg.png and a.bmp.png."""
    shared = Counter(image.with_suffix("") for image in images)
    return [
        (
            image,
            target
            / image.relative_to(source)
            .with_suffix("")
            .with_name((image.stem if shared[image.with_suffix("")] == 1 else image.name) + ".png"),
        )
        for image in images
    ]


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {folder}: {error.strerror}") from None


def _say(text: str | None) -> None:
    if text:
        typer.echo(f"edge-sr: {text}", err=True)
