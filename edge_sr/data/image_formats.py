"""The image formats that are read and written, by suffix, and what each of them can hold."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image as PillowImage

from edge_sr.errors import UserError

PROFILE_LEFT_OUT = "its colour profile was left out"

GRAY_PROFILE, RGB_PROFILE = b"GRAY", b"RGB "
"""Colour spaces as ICC profiles name them."""

WIDE_FORMATS = ("PNG", "TIFF")
"""Formats whose 16-bit gray keeps its samples; Pillow stretches those of PGM files."""


@dataclass(frozen=True)
class Format:
    """A file format.

    Attributes:
        name: Pillow's.
        suffixes: of its files, in lower case.
        options: with which Pillow saves an image, without loss wherever the format can.
        profiles: colour spaces whose ICC profiles it holds.
    """

    name: str
    suffixes: tuple[str, ...]
    options: dict[str, object]
    profiles: tuple[bytes, ...] = ()


_BOTH = (GRAY_PROFILE, RGB_PROFILE)

FORMATS = (
    Format("PNG", (".png",), {}, _BOTH),
    Format("JPEG", (".jpg", ".jpeg"), {"quality": 95, "subsampling": 0}, _BOTH),
    Format("TIFF", (".tif", ".tiff"), {"compression": "tiff_adobe_deflate"}, _BOTH),
    Format("BMP", (".bmp",), {}),
    Format("WEBP", (".webp",), {"lossless": True}, (RGB_PROFILE,)),
    Format("PPM", (".ppm", ".pgm", ".pnm"), {}),
    Format("TGA", (".tga",), {}),
    Format("JPEG2000", (".jp2",), {}),
    Format("AVIF", (".avif",), {"quality": 95, "subsampling": "4:4:4"}, (RGB_PROFILE,)),
    Format("PCX", (".pcx",), {}),
    Format("SGI", (".sgi",), {}),
)
"""The formats that hold 8-bit gray and RGB images."""

READ_SUFFIXES = {suffix for form in FORMATS for suffix in form.suffixes} | {".gif", ".mpo"}


def readable() -> list[str]:
    """Return Pillow's names of the formats that are tried (a camera's MPO opens as JPEG)."""
    PillowImage.init()
    return [name for name in (*(form.name for form in FORMATS), "GIF") if name in PillowImage.OPEN]


def format_of(path: Path) -> Format:
    """Return the format that a file is written in, by its suffix.

    Raises:
        UserError: no format that can be written has this suffix.
    """
    PillowImage.init()
    writable = [form for form in FORMATS if form.name in PillowImage.SAVE]
    for form in writable:
        if path.suffix.lower() in form.suffixes:
            return form
    suffixes = ", ".join(suffix for form in writable for suffix in form.suffixes)
    raise UserError(f"cannot write {path}: unknown suffix; use one of {suffixes}")


def check_suffix(path: Path | str) -> None:
    """Check that an image can be written to a file of this name.

    Raises:
        UserError: no format that can be written has this suffix.
    """
    format_of(Path(path))


def colour_space(profile: bytes) -> bytes:
    """Return the colour space that an ICC profile is for, such as `RGB_PROFILE`."""
    return profile[16:20]


def holds_profile(path: Path | str, profile: bytes) -> bool:
    """Whether the format that the suffix names can hold this ICC profile.

    Raises:
        UserError: no format that can be written has this suffix.
    """
    return colour_space(profile) in format_of(Path(path)).profiles


def holds_wide(path: Path | str) -> bool:
    """Whether the format that the suffix names is known to hold 16-bit gray.

    Raises:
        UserError: no format that can be written has this suffix.
    """
    return format_of(Path(path)).name in WIDE_FORMATS
