"""Reads image files as uint8 pixels, or 16-bit gray unchanged.

Files are parsed as if hostile: only formats that Pillow decodes by itself are tried, sizes are
checked before anything is decoded, and whatever a decoder raises becomes one sentence.
"""

import contextlib
import io
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from PIL import Image as PillowImage

from edge_sr.data.image_conversion import to_image, to_wide
from edge_sr.data.image_formats import READ_SUFFIXES, readable
from edge_sr.data.image_types import Image, Samples, WideImage
from edge_sr.errors import UserError
from edge_sr.files import check_is_file

MAX_PIXELS = 200_000_000
"""The largest image that is read; a larger one is taken for a decompression bomb."""

START_BYTES = 1 << 16
"""Bytes at the start of a file that tell whether it is an image."""

_SIGNATURE_BYTES = 16  # by which Pillow tells formats apart

T = TypeVar("T")


class TooManyPixelsError(UserError):
    """An image is larger than the caller allows."""


def read_image(path: Path | str, max_pixels: int = MAX_PIXELS) -> Image:
    """Read a still image as 8-bit gray or RGB.

    Palettes, transparency, 16 bits per channel, CMYK and a camera's orientation tag are converted,
    and the note says so. Memory: Pillow's decoded copy and the array while reading, then the array.

    Args:
        path: of the file.
        max_pixels: a larger image is taken for a decompression bomb.

    Raises:
        UserError: the file is missing, a folder, not an image, truncated, animated, of a kind that
            has no 8-bit equivalent (floating point, 32-bit integers), or larger than `max_pixels`.
    """
    path = check_file(path)
    return _read(path, path, max_pixels, to_image)


def read_wide(path: Path | str, max_pixels: int = MAX_PIXELS) -> WideImage | None:
    """Read a 16-bit gray PNG or TIFF without losing its range; return None for every other image.

    Raises:
        UserError: as in `read_image`; a damaged image of another kind may give None instead.
    """
    path = check_file(path)
    return _read(path, path, max_pixels, to_wide)


def check_file(path: Path | str) -> Path:
    """Refuse an image file that is missing or empty; return its path.

    Raises:
        UserError: it is missing, a folder or empty.
    """
    path = Path(path)
    check_is_file(path, "an image")
    if path.stat().st_size == 0:
        raise UserError(f"cannot read {path}: the file is empty; an image is needed")
    return path


def read_image_bytes(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> Image:
    """Read a still image that is in memory, as `read_image` does; `name` is for messages."""
    if not data:
        raise UserError(f"{name} is empty; an image is needed")
    return _read(io.BytesIO(data), Path(name), max_pixels, to_image)


def from_pillow(image: PillowImage.Image, wide: bool = False) -> Samples:
    """Convert a Pillow image as `read_image` does.

    Args:
        image: opened or made by Pillow.
        wide: keep 16-bit gray.

    Returns:
        uint8 (H, W) gray or (H, W, 3) RGB, or if `wide` uint16 (H, W) gray.

    Raises:
        UserError: as in `read_image`.
    """
    path = Path(getattr(image, "filename", "") or "the image")
    if 0 in image.size:
        raise UserError(f"{path} is empty; an image has at least one pixel")
    if wide and image.mode.startswith("I;16"):
        return _converted(path, lambda: np.array(image, np.uint16))
    return _converted(path, lambda: to_image(path, image).pixels)


def check_start(start: bytes, name: str) -> None:
    """Check the first bytes of a file before the rest is read.

    Args:
        start: the first `START_BYTES`, or the whole file if it is shorter.
        name: for messages.

    Raises:
        UserError: no known image format starts with these bytes.
    """
    if start and not any(_may_be(form, start) for form in readable()):
        raise UserError(_unknown(name))


def _may_be(form: str, start: bytes) -> bool:
    """Whether a file of this format may start so; a format without a signature is opened."""
    factory, accept = PillowImage.OPEN[form]
    try:
        if accept is not None:
            return bool(accept(start[:_SIGNATURE_BYTES]))
        factory(io.BytesIO(start), "").close()
    except Exception:  # decoders raise almost anything on hostile bytes
        return False
    return True


def _read(
    source: Path | BinaryIO,
    path: Path,
    max_pixels: int,
    convert: Callable[[Path, PillowImage.Image], T],
) -> T:
    def run() -> T:
        with _opened(source, path, max_pixels) as image:
            return convert(path, image)

    return _converted(path, run)


def _converted(path: Path, run: Callable[[], T]) -> T:
    """The result of a decoder, whose errors become sentences."""
    try:
        return run()
    except UserError:
        raise
    except PillowImage.UnidentifiedImageError:
        raise UserError(_unknown(f"{path}")) from None
    except MemoryError:
        raise UserError(f"{path} does not fit in memory") from None
    except Exception as error:  # decoders raise almost anything on hostile bytes
        raise UserError(f"{path} is damaged or truncated{_reason(error)}") from error


def _unknown(name: str) -> str:
    return f"{name} is not an image that can be read; known formats: {', '.join(readable())}"


def _reason(error: Exception) -> str:
    """The decoder's message, unless it repeats ours."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    known = any(word in reason.lower() for word in ("truncated", "broken", "corrupt"))
    return "" if known else f": {reason}"


_pillow_limit = threading.Lock()


@contextlib.contextmanager
def _opened(source: Path | BinaryIO, path: Path, max_pixels: int) -> Iterator[PillowImage.Image]:
    """Open with our size limit instead of Pillow's, which rejects more than 179 megapixels."""
    with _pillow_limit, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about damaged metadata
        limit, PillowImage.MAX_IMAGE_PIXELS = PillowImage.MAX_IMAGE_PIXELS, None
        try:
            image = PillowImage.open(source, formats=readable())
        finally:
            PillowImage.MAX_IMAGE_PIXELS = limit
    with image:
        if image.width * image.height > max_pixels:
            size = f"{image.width}x{image.height}"
            raise TooManyPixelsError(f"{path} claims {size} pixels; the limit is {max_pixels}")
        yield image


def list_images(folder: Path | str) -> list[Path]:
    """Return all image files under `folder`, recursively, sorted; hidden ones are left out.

    Raises:
        UserError: the folder is missing or holds no image.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; a folder with images is needed")
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in READ_SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not files:
        raise UserError(
            f"{folder} holds no image; known suffixes: {', '.join(sorted(READ_SUFFIXES))}"
        )
    return files
