"""Read and write .tcz files (`docs/reference/tcz.md`); files are parsed as hostile input."""

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import BinaryIO

import numpy as np

from edge_sr.codec import planes as bit_planes
from edge_sr.codec.quantizer import Kind, Quantizer
from edge_sr.engine import coder
from edge_sr.errors import UserError
from edge_sr.files import read_at_most

MAGIC = b"\x89TCZ"
VERSION = 1
RATES = (4, 16, 64, 256)
"""Pixels of the image for each sample of a channel."""

ID_BYTES = 16
HASH_BYTES = 8
MAX_PIXELS = 100_000_000
"""Of the image; more are refused unless asked for."""

_FIXED = struct.Struct(f"<4s6BHII{ID_BYTES}s{HASH_BYTES}s")
_RANGE = struct.Struct("<2f")
_PLANE = struct.Struct("<2I")
_CRC = struct.Struct("<I")
_LONGEST_HEAD = (
    _FIXED.size + coder.MAX_CHANNELS * _RANGE.size + bit_planes.BITS * _PLANE.size + _CRC.size
)
_CUT_HEAD = "this .tcz file is cut within its header; nothing can be decoded"


class Colour(IntEnum):
    """What the decoder's image is."""

    GRAY = 0
    RGB = 1


@dataclass(frozen=True)
class Header:
    """What a file says of its image.

    Attributes:
        model_id: of the network: 1 to 16 printable ASCII characters.
        model_hash: the first 8 bytes of its file's SHA-256.
        rate: pixels for each sample of a channel: 4, 16, 64 or 256.
        width: of the image, in pixels, 1 to 65535.
        height: likewise.
        colour: of the image.
        quantizer: of the latents; has as many ranges as there are channels.
    """

    model_id: str
    model_hash: bytes
    rate: int
    width: int
    height: int
    colour: Colour
    quantizer: Quantizer

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the latents: (channels, height, width)."""
        step = math.isqrt(self.rate)
        return len(self.quantizer.low), -(-self.height // step), -(-self.width // step)


@dataclass(frozen=True)
class File:
    """A file as it was found.

    Attributes:
        header: what it says of its image.
        planes: that were written, 1 to 8.
        segments: of those that are intact, the most significant first; at least one.
        note: one sentence that says what is missing or too much; empty where nothing is.
    """

    header: Header
    planes: int
    segments: tuple[bytes, ...]
    note: str

    def latents(self) -> np.ndarray:
        """Float32 latents (channels, height, width), from the planes that are intact."""
        kept = coder.decode(self.segments, self.header.shape)
        return self.header.quantizer.restore(bit_planes.restore(kept, len(self.segments)))


def pack(header: Header, samples: np.ndarray, planes: int) -> bytes:
    """Make a file.

    Args:
        header: what it says of its image.
        samples: (channels, height, width) uint8, quantized latents.
        planes: to keep, 1 to 8.

    Raises:
        UserError: the header or the number of planes cannot be written.
    """
    bit_planes.check(planes)
    _check(header)
    if samples.shape != header.shape:
        raise UserError(f"the latents are {samples.shape}; this image's are {header.shape}")
    return assemble(header, coder.encode(samples, planes))


def assemble(header: Header, segments: Sequence[bytes]) -> bytes:
    """Make a file of planes that are coded already, the most significant first."""
    quantizer = header.quantizer
    fixed = _FIXED.pack(
        *(MAGIC, VERSION, header.colour, len(quantizer.low), len(segments), quantizer.kind, 0),
        *(header.rate, header.width, header.height),
        *(header.model_id.encode(), header.model_hash),
    )
    ranges = b"".join(map(_RANGE.pack, quantizer.low, quantizer.high))
    table = b"".join(_PLANE.pack(len(data), zlib.crc32(data)) for data in segments)
    head = fixed + ranges + table
    return head + _CRC.pack(zlib.crc32(head)) + b"".join(segments)


class State(StrEnum):
    """How a plane was found."""

    WHOLE = "whole"
    DAMAGED = "damaged"
    CUT = "cut off"


@dataclass(frozen=True)
class Plane:
    """A plane as the header has it.

    Attributes:
        size: bytes of its segment.
        state: of the segment; what follows a plane that is not whole cannot be decoded.
        segment: its bytes, those that there are.
    """

    size: int
    state: State
    segment: bytes


@dataclass(frozen=True)
class Inspection:
    """What is in a file.

    Attributes:
        header: what it says of its image.
        planes: all that it names, the most significant first.
        head: bytes before the first of them.
        extra: whether bytes follow that are not the file's.
    """

    header: Header
    planes: tuple[Plane, ...]
    head: int
    extra: bool

    @property
    def whole(self) -> int:
        """How many planes can be decoded: those before the first that is not whole."""
        states = [plane.state is State.WHOLE for plane in self.planes]
        return [*states, False].index(False)


def inspect(data: bytes, max_pixels: int = MAX_PIXELS) -> Inspection:
    """Look at every plane, whatever its state.

    Raises:
        UserError: as `unpack`, but for planes that are not whole.
    """
    header, table, head = _parse_head(data, max_pixels)
    planes, start = [], head
    for size, crc in table:
        segment = data[start : start + size]
        if len(segment) < size:
            state = State.CUT
        else:
            state = State.WHOLE if zlib.crc32(segment) == crc else State.DAMAGED
        planes.append(Plane(size, state, segment))
        start += size
    return Inspection(header, tuple(planes), head, start < len(data))


def read(stream: BinaryIO, max_pixels: int = MAX_PIXELS) -> bytes:
    """Read a file, and no more of the stream than its header says, but for one byte.

    Raises:
        UserError: the header is none that `unpack` takes.
    """
    data = stream.read(_LONGEST_HEAD)
    _, table, start = _parse_head(data, max_pixels)
    rest = start + sum(size for size, _ in table) + 1 - len(data)
    return data + read_at_most(stream, rest)


def unpack(
    data: bytes,
    salvage: bool = False,
    max_pixels: int = MAX_PIXELS,
    planes: int | None = None,
) -> File:
    """Read a file, which may be cut after its header: planes that are not whole are left out.

    Args:
        data: the file.
        salvage: leave out damaged planes too, those below them, and what follows the last, instead
            of refusing them.
        max_pixels: of the image; more are refused.
        planes: that are wanted; damage below them is told of, not refused.

    Raises:
        UserError: it is no .tcz file, of another version, damaged, too large, or no plane is whole.
    """
    found = inspect(data, max_pixels)
    if not salvage:
        _check_intact(found, planes)
    if found.whole == 0:
        raise UserError("no bit plane of this .tcz file is whole; get it anew")
    segments = tuple(plane.segment for plane in found.planes[: found.whole])
    return File(found.header, len(found.planes), segments, _note(found))


def _check_intact(found: Inspection, wanted: int | None) -> None:
    """Refuse damage, but for that below the planes that are wanted, and surplus bytes."""
    whole, count = found.whole, len(found.planes)
    if whole == count and found.extra:
        raise UserError(
            "this .tcz file goes on after its end, where there must be nothing; its planes can be "
            "salvaged"
        )
    enough = wanted is not None and wanted <= whole
    if whole < count and found.planes[whole].state is State.DAMAGED and not enough:
        before = "get the file anew" if whole == 0 else f"the {whole} before it can be salvaged"
        raise UserError(f"plane {whole + 1} of {count} is damaged; {before}")


def _note(found: Inspection) -> str:
    """One sentence on what is missing or too much; empty where nothing is."""
    whole, count = found.whole, len(found.planes)
    if whole == count:
        return "the file goes on after its end; its planes are whole" if found.extra else ""
    plane = found.planes[whole]
    if plane.state is State.DAMAGED:
        return f"plane {whole + 1} of {count} is damaged; those before it are whole"
    if not plane.segment:
        return f"the file is cut after plane {whole} of {count}; what is there is whole"
    return f"the file is cut within plane {whole + 1} of {count}; those before it are whole"


def _parse_head(data: bytes, max_pixels: int) -> tuple[Header, list[tuple[int, int]], int]:
    """The header, length and CRC of each plane, and where the first of them starts."""
    if data[: len(MAGIC)] != MAGIC:
        raise UserError("this is no .tcz file: it does not start with 89 54 43 5A")
    if len(data) > len(MAGIC) and data[len(MAGIC)] != VERSION:
        raise UserError(
            f"this .tcz file is of version {data[len(MAGIC)]}, and this decoder reads version "
            f"{VERSION} alone; get a newer one"
        )
    if len(data) < _FIXED.size:
        raise UserError(_CUT_HEAD)
    _, _, colour, channels, planes, kind, zero, *rest = _FIXED.unpack_from(data)
    rate, width, height, model_id, model_hash = rest
    table_at = _FIXED.size + channels * _RANGE.size
    crc_at = table_at + planes * _PLANE.size
    possible = 1 <= planes <= bit_planes.BITS and 1 <= channels <= coder.MAX_CHANNELS
    if possible and len(data) < crc_at + _CRC.size:
        raise UserError(_CUT_HEAD)
    if data[crc_at : crc_at + _CRC.size] != _CRC.pack(zlib.crc32(data[:crc_at])):
        raise UserError("the header of this .tcz file is damaged; get the file anew")
    _check_range("planes", planes, bit_planes.BITS)
    _check_range("channels", channels, coder.MAX_CHANNELS)
    if zero != 0 or colour not in iter(Colour) or kind not in iter(Kind):
        raise UserError("the header of this .tcz file holds values that version 1 does not have")
    ranges = list(_RANGE.iter_unpack(data[_FIXED.size : table_at]))
    low, high = zip(*ranges, strict=True)
    quantizer = Quantizer(Kind(kind), low, high)
    name = model_id.rstrip(b"\0").decode("ascii", "replace")
    header = Header(name, model_hash, rate, width, height, Colour(colour), quantizer)
    _check(header)
    if width * height > max_pixels:
        raise UserError(
            f"this .tcz file claims {width}x{height} pixels; {max_pixels} are the limit, which "
            "--max-pixels raises"
        )
    table = list(_PLANE.iter_unpack(data[table_at:crc_at]))
    _check_lengths(table, header)
    return header, table, crc_at + _CRC.size


def _check(header: Header) -> None:
    """Refuse what no file may say."""
    name, quantizer = header.model_id, header.quantizer
    if not (1 <= len(name) <= ID_BYTES and name.isascii() and name.isprintable()):
        raise UserError(f"a model's id is 1 to {ID_BYTES} printable ASCII characters, not {name!r}")
    if len(header.model_hash) != HASH_BYTES:
        raise UserError(f"a model's hash has {HASH_BYTES} bytes, not {len(header.model_hash)}")
    if header.rate not in RATES:
        raise UserError(f"there is no rate {header.rate}; there are {', '.join(map(str, RATES))}")
    _check_range("pixels in width", header.width, coder.MAX_SIDE)
    _check_range("pixels in height", header.height, coder.MAX_SIDE)
    _check_range("channels", len(quantizer.low), coder.MAX_CHANNELS)
    for low, high in zip(quantizer.low, quantizer.high, strict=True):
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise UserError(
                f"a channel cannot range from {low} to {high}; low <= high, both finite"
            )


def _check_range(what: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise UserError(f"a .tcz file has 1 to {most} {what}, not {value}")


def _check_lengths(table: Sequence[tuple[int, int]], header: Header) -> None:
    most = coder.max_bytes(header.shape)
    for number, (size, _) in enumerate(table, 1):
        if not 1 <= size <= most:
            raise UserError(
                f"plane {number} of this .tcz file claims {size} bytes; 1 to {most} are possible"
            )
