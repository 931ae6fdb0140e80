"""Writes image files, whole or not at all."""

import io
import struct
from collections.abc import Iterable
from pathlib import Path

from PIL import Image as PillowImage

from edge_sr.data.image_formats import colour_space, format_of
from edge_sr.data.image_types import Pixels, Samples
from edge_sr.errors import UserError
from edge_sr.files import replacing


def write_image(
    path: Path | str,
    shape: tuple[int, ...],
    bands: Iterable[Samples],
    profile: bytes | None = None,
    bits: int = 8,
) -> None:
    """Write an image in the format that the suffix names; an existing file is replaced.

    Lossless in every format that can be; JPEG and AVIF at quality 95 without chroma subsampling.
    Memory: Pillow's copy only, 4 bytes a pixel in colour, 1 in gray.

    Args:
        path: the file; its folder must exist.
        shape: of the image, (H, W) gray or (H, W, 3) RGB.
        bands: from top to bottom, uint8 (rows, W) or (rows, W, 3), or, with 16 bits, uint16
            (rows, W); the rows add up to H.
        profile: an ICC profile to embed; left out where `holds_profile` is false.
        bits: 8, or 16 in a format that `holds_wide`.

    Raises:
        UserError: the suffix is unknown, the pixels are of another kind, or the file cannot be
            written.
    """
    path = Path(path)
    form = format_of(path)
    options = dict(form.options)
    if profile and colour_space(profile) in form.profiles:
        options["icc_profile"] = profile
    mode = "RGB" if len(shape) == 3 else "I;16" if bits == 16 else "L"
    image = PillowImage.new(mode, (shape[1], shape[0]))
    row = 0
    for band in bands:
        _check_pixels(band, "uint8" if bits == 8 else "uint16")
        image.paste(PillowImage.fromarray(band), (0, row))
        row += len(band)
    with replacing(path) as temporary:
        try:
            image.save(temporary, format=form.name, **options)
        except (OSError, ValueError, RuntimeError, struct.error) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"cannot write {path}: {reason}") from error


def png_bytes(pixels: Pixels) -> bytes:
    """Return a PNG of uint8 (H, W) or (H, W, 3).

    Raises:
        UserError: the pixels are of another kind.
    """
    _check_pixels(pixels)
    buffer = io.BytesIO()
    PillowImage.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _check_pixels(pixels: Samples, dtype: str = "uint8") -> None:
    gray = pixels.ndim == 2
    gray_or_rgb = gray or (pixels.ndim == 3 and pixels.shape[2] == 3 and dtype == "uint8")
    if pixels.dtype != dtype or not gray_or_rgb or pixels.size == 0:
        raise UserError(
            f"cannot write an array of {pixels.dtype} {pixels.shape} as an image; "
            "it must be uint8 (height, width) or (height, width, 3), or uint16 (height, width)"
        )
