"""Image files: read as uint8 pixels, or 16-bit gray as it is; written whole or not at all.

Files are parsed as if hostile: only formats that Pillow decodes by itself are tried, sizes are
checked before anything is decoded, and whatever a decoder raises becomes one sentence.
"""

import contextlib
import io
import struct
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from edge_sr.errors import UserError
from edge_sr.files import replacing

Pixels = NDArray[np.uint8]
Counts = NDArray[np.uint16]
Samples = NDArray[np.unsignedinteger[Any]]
"""Pixels or counts."""
T = TypeVar("T")
_P = TypeVar("_P", Pixels, Counts)

MAX_PIXELS = 200_000_000
"""The largest image that is read; a larger one is taken for a decompression bomb."""

START_BYTES = 1 << 16
"""Of a file: enough to tell whether it is an image."""

PROFILE_LEFT_OUT = "its colour profile was left out"

_BAND_PIXELS = 1 << 18
_MARK = 16  # bytes at a file's start by which Pillow tells formats apart
_MAX_PROFILE = 1 << 20  # bytes, beyond which Pillow refuses to read a PNG


class TooManyPixelsError(UserError):
    """A picture is larger than the caller allows."""


@dataclass(frozen=True)
class _Format:
    """A file format: Pillow's name, the suffixes it goes by, how pictures are saved in it, and
    the colour spaces whose profiles it holds.
    """

    name: str
    suffixes: tuple[str, ...]
    options: dict[str, object]
    profiles: tuple[bytes, ...] = ()


_GRAY, _RGB = b"GRAY", b"RGB "  # as an ICC profile names the colour space that it is for

# Those that hold 8-bit gray and RGB photographs; written without loss wherever the format can.
_FORMATS = (
    _Format("PNG", (".png",), {}, (_GRAY, _RGB)),
    _Format("JPEG", (".jpg", ".jpeg"), {"quality": 95, "subsampling": 0}, (_GRAY, _RGB)),
    _Format("TIFF", (".tif", ".tiff"), {"compression": "tiff_adobe_deflate"}, (_GRAY, _RGB)),
    _Format("BMP", (".bmp",), {}),
    _Format("WEBP", (".webp",), {"lossless": True}, (_RGB,)),
    _Format("PPM", (".ppm", ".pgm", ".pnm"), {}),
    _Format("TGA", (".tga",), {}),
    _Format("JPEG2000", (".jp2",), {}),
    _Format("AVIF", (".avif",), {"quality": 95, "subsampling": "4:4:4"}, (_RGB,)),
    _Format("PCX", (".pcx",), {}),
    _Format("SGI", (".sgi",), {}),
)
_READ_SUFFIXES = {suffix for form in _FORMATS for suffix in form.suffixes} | {".gif", ".mpo"}


@dataclass(frozen=True)
class Image:
    """Pixels as networks see them.

    Attributes:
        pixels: uint8, (H, W) gray or (H, W, 3) RGB.
        note: one sentence when the file held something else that was converted, or None.
        profile: the ICC profile that says what the numbers mean, as it stood in the file; None for
            sRGB by convention. Nothing here interprets it.
    """

    pixels: Pixels
    note: str | None = None
    profile: bytes | None = None


@dataclass(frozen=True)
class WideImage:
    """A gray picture of 16 bits, as thermal cameras write it.

    Attributes:
        pixels: uint16 (H, W), the file's samples.
        note: as an image's.
        profile: as an image's.
    """

    pixels: Counts
    note: str | None = None
    profile: bytes | None = None


# --- reading ------------------------------------------------------------------------------------


def read_image(path: Path | str, max_pixels: int = MAX_PIXELS) -> Image:
    """Read a still picture as 8-bit gray or RGB.

    Palettes, transparency, 16 bits per channel, CMYK and a camera's orientation tag are converted,
    and the note says so. Memory: Pillow's decoded copy and the array while reading, then the array.

    Args:
        path: of the file.
        max_pixels: a larger picture is taken for a decompression bomb.

    Raises:
        UserError: no such file, a folder, not an image, truncated, animated, of a kind that has no
            8-bit equivalent (floating point, 32-bit integers), or larger than `max_pixels`.
    """
    path = _existing(path)
    return _read(path, path, max_pixels, _convert)


def read_wide(path: Path | str, max_pixels: int = MAX_PIXELS) -> WideImage | None:
    """Read a 16-bit gray PNG or TIFF without losing its range; None for every other picture.

    Raises:
        UserError: as `read_image`; a picture of another kind that is damaged may give None.
    """
    path = _existing(path)
    return _read(path, path, max_pixels, _take_wide)


def _existing(path: Path | str) -> Path:
    path = Path(path)
    if not path.exists():
        raise UserError(f"cannot read {path}: no such file")
    if not path.is_file():
        raise UserError(f"cannot read {path}: it is not a file; name an image")
    if path.stat().st_size == 0:
        raise UserError(f"cannot read {path}: the file is empty; it takes an image")
    return path


def read_image_bytes(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> Image:
    """Read a still picture that is in memory; `name` is for messages, the rest as `read_image`."""
    if not data:
        raise UserError(f"{name} is empty; it takes an image")
    return _read(io.BytesIO(data), Path(name), max_pixels, _convert)


def check_start(start: bytes, name: str) -> None:
    """Refuse what is no image by its first bytes, before the rest is read.

    Args:
        start: the first `START_BYTES`, or all where there are fewer.
        name: for messages.

    Raises:
        UserError: no format starts like that.
    """
    if start and not any(_may_be(form, start) for form in _readable()):
        raise UserError(_unknown(name))


def _may_be(form: str, start: bytes) -> bool:
    """Whether a file of a format of Pillow's may start so; one that has no mark is opened."""
    factory, accept = PillowImage.OPEN[form]
    try:
        if accept is not None:
            return bool(accept(start[:_MARK]))
        factory(io.BytesIO(start), "").close()
    except Exception:  # decoders raise almost anything on hostile bytes
        return False
    return True


def _read(
    source: Path | BinaryIO,
    path: Path,
    max_pixels: int,
    take: Callable[[Path, PillowImage.Image], T],
) -> T:
    try:
        with _opened(source, path, max_pixels) as picture:
            return take(path, picture)
    except UserError:
        raise
    except PillowImage.UnidentifiedImageError:
        raise UserError(_unknown(f"{path}")) from None
    except MemoryError:
        raise UserError(f"{path} does not fit in memory") from None
    except Exception as error:  # decoders raise almost anything on hostile bytes
        raise UserError(f"{path} is damaged or truncated{_reason(error)}") from error


def _unknown(name: str) -> str:
    return f"{name} is not an image that can be read; it takes {', '.join(_readable())}"


def _reason(error: Exception) -> str:
    """What a decoder says, unless it is what we say."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    known = any(word in reason.lower() for word in ("truncated", "broken", "corrupt"))
    return "" if known else f": {reason}"


_pillow_limit = threading.Lock()


@contextlib.contextmanager
def _opened(source: Path | BinaryIO, path: Path, max_pixels: int) -> Iterator[PillowImage.Image]:
    """Open with our own limit on the size instead of Pillow's, which refuses 180 megapixels."""
    with _pillow_limit, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # remarks on damaged metadata
        limit, PillowImage.MAX_IMAGE_PIXELS = PillowImage.MAX_IMAGE_PIXELS, None
        try:
            picture = PillowImage.open(source, formats=_readable())
        finally:
            PillowImage.MAX_IMAGE_PIXELS = limit
    with picture:
        if picture.width * picture.height > max_pixels:
            size = f"{picture.width}x{picture.height}"
            raise TooManyPixelsError(f"{path} claims {size} pixels; {max_pixels} are the limit")
        yield picture


def _readable() -> list[str]:
    """Pillow's names of the formats that are tried (a camera's MPO opens as JPEG)."""
    PillowImage.init()
    return [name for name in (*(form.name for form in _FORMATS), "GIF") if name in PillowImage.OPEN]


# Modes that Pillow decodes to, what they become here, and what to say about it.
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
_WIDE_FORMATS = ("PNG", "TIFF")  # Pillow stretches the samples of 16-bit PGM files


def _take_wide(path: Path, picture: PillowImage.Image) -> WideImage | None:
    if picture.mode not in _WIDE or picture.format not in _WIDE_FORMATS:
        return None
    _require_still(path, picture)
    picture.load()
    pixels, notes = _upright(picture, np.array(picture, np.uint16))
    profile = _profile(picture, pixels)
    return WideImage(pixels, _note(path, picture, notes, profile), profile)


def _require_still(path: Path, picture: PillowImage.Image) -> None:
    if picture.format != "MPO" and getattr(picture, "is_animated", False):
        raise UserError(f"{path} holds several frames; it takes a still picture")


def _convert(path: Path, picture: PillowImage.Image) -> Image:
    _require_still(path, picture)
    kind = _kind(picture)
    if kind not in _CONVERSIONS:
        raise UserError(
            f"{path} holds pixels of kind {kind}; it takes 8-bit or 16-bit gray or colour"
        )
    mode, _ = _CONVERSIONS[kind]
    notes = _notes(picture, kind)
    picture.load()
    pixels, turned = _upright(picture, _copy(picture, mode, kind))
    profile = _profile(picture, pixels)
    return Image(pixels, _note(path, picture, [*notes, *turned], profile), profile)


def _upright(picture: PillowImage.Image, pixels: _P) -> tuple[_P, list[str]]:
    """Pixels as the camera was held, and what to say about it."""
    turns, mirrored = _TURNS.get(_orientation(picture), (0, False))
    if not (turns or mirrored):
        return pixels, []
    pixels = np.rot90(pixels, turns)
    pixels = np.ascontiguousarray(pixels[:, ::-1] if mirrored else pixels)
    return pixels, ["the picture was turned upright"]


def _note(
    path: Path, picture: PillowImage.Image, notes: Sequence[str], profile: bytes | None
) -> str | None:
    left_out = profile is None and picture.info.get("icc_profile")
    notes = [*notes, PROFILE_LEFT_OUT] if left_out else notes
    return f"{path.name}: {'; '.join(notes)}" if notes else None


def _profile(picture: PillowImage.Image, pixels: Samples) -> bytes | None:
    """The embedded ICC profile, if it is of the pixels' colour space: not one of CMYK, say."""
    profile = picture.info.get("icc_profile")
    if not isinstance(profile, bytes) or len(profile) > _MAX_PROFILE:
        return None
    return profile if _space(profile) == (_GRAY if pixels.ndim == 2 else _RGB) else None


def _space(profile: bytes) -> bytes:
    return profile[16:20]


def _kind(picture: PillowImage.Image) -> str:
    """Pillow's mode; PGM files of 16 bits go by a mode that also holds 32 bits elsewhere."""
    return "I;16" if picture.format == "PPM" and picture.mode == "I" else picture.mode


def _notes(picture: PillowImage.Image, kind: str) -> list[str]:
    """What is converted, known before the pixels are decoded."""
    note = _CONVERSIONS[kind][1]
    notes = [note] if note else []
    if "16" in _raw_mode(picture) and not kind.startswith("I;16"):
        notes.append("16 bits became 8")  # which Pillow does while decoding
    if "transparency" in picture.info and kind in ("1", "L", "RGB", "P"):
        notes.append("transparency was dropped")
    if picture.format == "MPO":
        notes.append("the first of several pictures was taken")
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


def _orientation(picture: PillowImage.Image) -> int:
    try:
        return int(picture.getexif().get(0x0112, 1))
    except Exception:  # a broken tag does not make the pixels worse
        return 1


def _raw_mode(picture: PillowImage.Image) -> str:
    """The layout of the samples in the file, where Pillow tells it (PNG, TIFF, PPM...)."""
    tiles = getattr(picture, "tile", None) or [(None, None, 0, "")]
    arguments = tiles[0][3]
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)


def _copy(picture: PillowImage.Image, mode: str, kind: str) -> Pixels:
    """Copy the pixels band by band: a whole-image conversion would hold a third copy."""
    width, height = picture.size
    pixels = np.empty((height, width) if mode == "L" else (height, width, 3), np.uint8)
    step = max(1, _BAND_PIXELS // width)
    for top in range(0, height, step):
        band = picture.crop((0, top, width, min(top + step, height)))
        if kind.startswith("I;16"):
            # 65535 / 255 = 257, so this rounds v * 255 / 65535 to nearest.
            wide = np.asarray(band).astype(np.uint32)
            pixels[top : top + step] = (wide + 128) // 257
        else:
            pixels[top : top + step] = np.asarray(band if band.mode == mode else band.convert(mode))
    return pixels


def list_images(folder: Path | str) -> list[Path]:
    """All image files under `folder`, recursively, sorted; hidden files and folders are left out.

    Raises:
        UserError: no such folder, or no image in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; name a folder with images")
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in _READ_SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not found:
        raise UserError(f"{folder} holds no image; it takes {', '.join(sorted(_READ_SUFFIXES))}")
    return found


# --- writing ------------------------------------------------------------------------------------


def write_image(
    path: Path | str,
    shape: tuple[int, ...],
    bands: Iterable[Samples],
    profile: bytes | None = None,
    bits: int = 8,
) -> None:
    """Write a picture in the format that the suffix names; an existing file is replaced.

    Without loss in every format that can; JPEG and AVIF at quality 95 without chroma subsampling.
    Pillow's copy is the only one that is held: 4 bytes a pixel in colour, 1 in gray.

    Args:
        path: the file; its folder must exist.
        shape: of the picture, (H, W) gray or (H, W, 3) RGB.
        bands: from top to bottom, uint8 (rows, W) or (rows, W, 3), or, with 16 bits, uint16
            (rows, W); the rows add up to H.
        profile: an ICC profile to embed; left out where `holds_profile` is false.
        bits: 8, or 16 in a format that `holds_wide`.

    Raises:
        UserError: an unknown suffix, pixels of another kind, or a file that cannot be written.
    """
    path = Path(path)
    form = _format_of(path)
    options = dict(form.options)
    if profile and _space(profile) in form.profiles:
        options["icc_profile"] = profile
    mode = "RGB" if len(shape) == 3 else "I;16" if bits == 16 else "L"
    picture = PillowImage.new(mode, (shape[1], shape[0]))
    row = 0
    for band in bands:
        _check_pixels(band, "uint8" if bits == 8 else "uint16")
        picture.paste(PillowImage.fromarray(band), (0, row))
        row += len(band)
    with replacing(path) as temporary:
        try:
            picture.save(temporary, format=form.name, **options)
        except (OSError, ValueError, RuntimeError, struct.error) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"cannot write {path}: {reason}") from error


def png_bytes(pixels: Pixels) -> bytes:
    """A PNG of uint8 (H, W) or (H, W, 3)."""
    _check_pixels(pixels)
    buffer = io.BytesIO()
    PillowImage.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def check_suffix(path: Path | str) -> None:
    """Refuse early a file name that `write_image` could not honour.

    Raises:
        UserError: the suffix names no format that pictures are written in.
    """
    _format_of(Path(path))


def holds_profile(path: Path | str, profile: bytes) -> bool:
    """Whether the format that the suffix names can keep this ICC profile.

    Raises:
        UserError: as `check_suffix`.
    """
    return _space(profile) in _format_of(Path(path)).profiles


def holds_wide(path: Path | str) -> bool:
    """Whether the format that the suffix names holds 16-bit gray, to our knowledge of it.

    Raises:
        UserError: as `check_suffix`.
    """
    return _format_of(Path(path)).name in _WIDE_FORMATS


def _format_of(path: Path) -> _Format:
    PillowImage.init()
    able = [form for form in _FORMATS if form.name in PillowImage.SAVE]
    for form in able:
        if path.suffix.lower() in form.suffixes:
            return form
    suffixes = ", ".join(suffix for form in able for suffix in form.suffixes)
    raise UserError(f"cannot write {path}: its suffix names no known format; it takes {suffixes}")


def _check_pixels(pixels: Samples, dtype: str = "uint8") -> None:
    gray = pixels.ndim == 2
    gray_or_rgb = gray or (pixels.ndim == 3 and pixels.shape[2] == 3 and dtype == "uint8")
    if pixels.dtype != dtype or not gray_or_rgb or pixels.size == 0:
        raise UserError(
            f"cannot write an array of {pixels.dtype} {pixels.shape} as a picture; "
            "it takes uint8 (height, width) or (height, width, 3), or uint16 (height, width)"
        )
