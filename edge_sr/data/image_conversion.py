"""Converts images that Pillow opened to 8-bit gray or RGB, or takes 16-bit gray unchanged.

Whatever is lost is noted: palettes, transparency, 16 bits per channel, orientation, profiles.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image as PillowImage

from edge_sr.data.image_formats import (
    GRAY_PROFILE,
    PROFILE_LEFT_OUT,
    RGB_PROFILE,
    WIDE_FORMATS,
    colour_space,
)
from edge_sr.data.image_types import Counts, Image, Pixels, Samples, WideImage
from edge_sr.errors import UserError

_P = TypeVar("_P", Pixels, Counts)

_BAND_PIXELS = 1 << 18
_MAX_PROFILE = 1 << 20  # bytes, beyond which Pillow refuses to read a PNG

# Mode that Pillow decodes to -> the mode here, and the note on the conversion.
_CONVERSIONS: dict[str, tuple[str, str | None]] = {
    "L": ("L", None),
    "RGB": ("RGB", None),
    "1": ("L", "black and white became 8-bit gray"),
    "P": ("RGB", "the palette became RGB"),
    "PA": ("RGB", "the palette became RGB and its transparency was dropped"),
    "LA": ("L", "transparency was dropped"),
    "La": ("L", "transparency was dropped"),
    "RGBA": ("RGB", "transparency was dropped"),
    "RGBa": ("RGB", "transparency was dropped"),
    "RGBX": ("RGB", None),
    "CMYK": ("RGB", "CMYK became RGB"),
    "YCbCr": ("RGB", "YCbCr became RGB"),
    "I;16": ("L", "16 bits became 8"),
    "I;16L": ("L", "16 bits became 8"),
    "I;16B": ("L", "16 bits became 8"),
}

_WIDE = ("I;16", "I;16L", "I;16B")


def to_wide(path: Path, image: PillowImage.Image) -> WideImage | None:
    """Decode a 16-bit gray PNG or TIFF; return None for every other image.

    Args:
        path: for messages and notes.
        image: opened by Pillow, not yet decoded.

    Raises:
        UserError: the image is animated. Pillow's decoders raise other errors on damaged files.
    """
    if image.mode not in _WIDE or image.format not in WIDE_FORMATS:
        return None
    _require_still(path, image)
    image.load()
    pixels, notes = _upright(image, np.array(image, np.uint16))
    profile = _profile(image, pixels)
    return WideImage(pixels, _note(path, image, notes, profile), profile)


def _require_still(path: Path, image: PillowImage.Image) -> None:
    if image.format != "MPO" and getattr(image, "is_animated", False):
        raise UserError(f"{path} holds several frames; a still image is needed")


def to_image(path: Path, image: PillowImage.Image) -> Image:
    """Decode an image to 8-bit gray or RGB.

    Args:
        path: for messages and notes.
        image: opened by Pillow, not yet decoded.

    Raises:
        UserError: the image is animated, or its pixels have no 8-bit equivalent. Pillow's decoders
            raise other errors on damaged files.
    """
    _require_still(path, image)
    kind = _kind(image)
    if kind not in _CONVERSIONS:
        raise UserError(
            f"{path} holds pixels of kind {kind}; 8-bit or 16-bit gray or colour is needed"
        )
    mode, _ = _CONVERSIONS[kind]
    notes = _notes(image, kind)
    image.load()
    pixels, turned = _upright(image, _copy(image, mode, kind))
    profile = _profile(image, pixels)
    return Image(pixels, _note(path, image, [*notes, *turned], profile), profile)


def _upright(image: PillowImage.Image, pixels: _P) -> tuple[_P, list[str]]:
    """Turn pixels upright by the EXIF orientation; the second value holds the note on it."""
    turns, mirrored = _TURNS.get(_orientation(image), (0, False))
    if not (turns or mirrored):
        return pixels, []
    pixels = np.rot90(pixels, turns)
    pixels = np.ascontiguousarray(pixels[:, ::-1] if mirrored else pixels)
    return pixels, ["the image was turned upright"]


def _note(
    path: Path, image: PillowImage.Image, notes: Sequence[str], profile: bytes | None
) -> str | None:
    left_out = profile is None and image.info.get("icc_profile")
    notes = [*notes, PROFILE_LEFT_OUT] if left_out else notes
    return f"{path.name}: {'; '.join(notes)}" if notes else None


def _profile(image: PillowImage.Image, pixels: Samples) -> bytes | None:
    """The embedded ICC profile if it is for the colour space of the pixels (not CMYK)."""
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or len(profile) > _MAX_PROFILE:
        return None
    expected = GRAY_PROFILE if pixels.ndim == 2 else RGB_PROFILE
    return profile if colour_space(profile) == expected else None


def _kind(image: PillowImage.Image) -> str:
    """Pillow's mode, but "I;16" for 16-bit PGM files, which Pillow opens in its 32-bit mode."""
    return "I;16" if image.format == "PPM" and image.mode == "I" else image.mode


def _notes(image: PillowImage.Image, kind: str) -> list[str]:
    """Notes on conversions that are known before the pixels are decoded."""
    note = _CONVERSIONS[kind][1]
    notes = [note] if note else []
    if "16" in _raw_mode(image) and not kind.startswith("I;16"):
        notes.append("16 bits became 8")  # which Pillow does while decoding
    if "transparency" in image.info and kind in ("1", "L", "RGB", "P"):
        notes.append("transparency was dropped")
    if image.format == "MPO":
        notes.append("the first of several images was taken")
    return notes


# EXIF orientation -> quarter turns counterclockwise, then mirrored left to right.
_TURNS = {
    2: (0, True),
    3: (2, False),
    4: (2, True),
    5: (3, True),
    6: (3, False),
    7: (1, True),
    8: (1, False),
}


def _orientation(image: PillowImage.Image) -> int:
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # the pixels are usable in spite of a broken tag
        return 1


def _raw_mode(image: PillowImage.Image) -> str:
    """The layout of the samples in the file, if Pillow reports it (PNG, TIFF, PPM...)."""
    tiles = getattr(image, "tile", None) or [(None, None, 0, "")]
    arguments = tiles[0][3]
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)


def _copy(image: PillowImage.Image, mode: str, kind: str) -> Pixels:
    """Copy the pixels band by band: a whole-image conversion would hold a third copy."""
    width, height = image.size
    pixels = np.empty((height, width) if mode == "L" else (height, width, 3), np.uint8)
    step = max(1, _BAND_PIXELS // width)
    for top in range(0, height, step):
        band = image.crop((0, top, width, min(top + step, height)))
        if kind.startswith("I;16"):
            # 65535 / 255 = 257, so this rounds v * 255 / 65535 to nearest.
            wide = np.asarray(band).astype(np.uint32)
            pixels[top : top + step] = (wide + 128) // 257
        else:
            pixels[top : top + step] = np.asarray(band if band.mode == mode else band.convert(mode))
    return pixels
