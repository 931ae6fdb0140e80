"""The header of .tcz files (`docs/reference/tcz.md`): written, and parsed as hostile input."""

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from edge_sr.codec import planes as bit_planes
from edge_sr.codec.quantizer import Kind, Quantizer
from edge_sr.engine import coder
from edge_sr.errors import UserError

MAGIC = b"\x89TCZ"
VERSION = 1
RATES = (4, 16, 64, 256)
"""Image pixels per sample of a channel."""

ID_BYTES = 16
HASH_BYTES = 8
MAX_PIXELS = 100_000_000
"""Default limit on the size of the image."""

_FIXED = struct.Struct(f"<4s6BHII{ID_BYTES}s{HASH_BYTES}s")
_RANGE = struct.Struct("<2f")
_PLANE = struct.Struct("<2I")
_CRC = struct.Struct("<I")

LONGEST_HEAD = (
    _FIXED.size + coder.MAX_CHANNELS * _RANGE.size + bit_planes.BITS * _PLANE.size + _CRC.size
)
"""Bytes of the longest header."""

TRUNCATED = "this .tcz file is truncated within its header; nothing can be decoded"
DAMAGED = "the header of this .tcz file is damaged; fetch the file again"


class Colour(IntEnum):
    """The colour of the decoded image."""

    GRAY = 0
    RGB = 1


@dataclass(frozen=True)
class Header:
    """The header of a file.

    Attributes:
        model_id: of the network: 1 to 16 printable ASCII characters.
        model_hash: the first 8 bytes of the SHA-256 of the decoder's file.
        rate: image pixels per sample of a channel: 4, 16, 64 or 256.
        width: of the image, 1 to 65535 pixels.
        height: of the image, 1 to 65535 pixels.
        colour: of the image.
        quantizer: of the latents; has one range per channel.
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
        """The shape of the latents: (channels, height, width)."""
        step = math.isqrt(self.rate)
        return len(self.quantizer.low), -(-self.height // step), -(-self.width // step)


@dataclass(frozen=True)
class Segment:
    """A bit plane as the header lists it.

    Attributes:
        size: bytes of the coded plane.
        crc: CRC-32 of those bytes.
    """

    size: int
    crc: int


def pack_head(header: Header, planes: Sequence[bytes]) -> bytes:
    """Return everything that stands before the coded planes."""
    quantizer = header.quantizer
    fixed = _FIXED.pack(
        *(MAGIC, VERSION, header.colour, len(quantizer.low), len(planes), quantizer.kind, 0),
        *(header.rate, header.width, header.height),
        *(header.model_id.encode(), header.model_hash),
    )
    ranges = b"".join(map(_RANGE.pack, quantizer.low, quantizer.high))
    table = b"".join(_PLANE.pack(len(data), zlib.crc32(data)) for data in planes)
    head = fixed + ranges + table
    return head + _CRC.pack(zlib.crc32(head))


def parse_head(data: bytes, max_pixels: int) -> tuple[Header, list[Segment], int]:
    """Parse the header at the start of a file.

    Args:
        data: the file, or at least its first `LONGEST_HEAD` bytes.
        max_pixels: of the image.

    Returns:
        The header, the planes that it lists, and the offset of the first of them.

    Raises:
        UserError: the data is not a .tcz file, of another version, truncated or damaged, or the
            image has more than `max_pixels`.
    """
    check_magic(data)
    if len(data) > len(MAGIC) and data[len(MAGIC)] != VERSION:
        raise UserError(
            f"this .tcz file has version {data[len(MAGIC)]}, and this decoder reads only version "
            f"{VERSION}; use a newer decoder"
        )
    if len(data) < _FIXED.size:
        raise UserError(TRUNCATED)
    _, _, colour, channels, planes, kind, zero, *rest = _FIXED.unpack_from(data)
    rate, width, height, model_id, model_hash = rest
    table_at = _FIXED.size + channels * _RANGE.size
    crc_at = table_at + planes * _PLANE.size
    possible = 1 <= planes <= bit_planes.BITS and 1 <= channels <= coder.MAX_CHANNELS
    if possible and len(data) < crc_at + _CRC.size:
        raise UserError(TRUNCATED)
    if data[crc_at : crc_at + _CRC.size] != _CRC.pack(zlib.crc32(data[:crc_at])):
        raise UserError(DAMAGED)
    check_range("planes", planes, bit_planes.BITS)
    check_range("channels", channels, coder.MAX_CHANNELS)
    if zero != 0 or colour not in iter(Colour) or kind not in iter(Kind):
        raise UserError("the header of this .tcz file has values that version 1 does not define")
    ranges = list(_RANGE.iter_unpack(data[_FIXED.size : table_at]))
    low, high = zip(*ranges, strict=True)
    quantizer = Quantizer(Kind(kind), low, high)
    name = model_id.rstrip(b"\0").decode("ascii", "replace")
    header = Header(name, model_hash, rate, width, height, Colour(colour), quantizer)
    check_header(header)
    check_pixels(width, height, max_pixels)
    table = [Segment(*entry) for entry in _PLANE.iter_unpack(data[table_at:crc_at])]
    _check_lengths(table, header)
    return header, table, crc_at + _CRC.size


def check_header(header: Header) -> None:
    """Check that a header can be written.

    Raises:
        UserError: a value is out of range.
    """
    quantizer = header.quantizer
    check_model(header.model_id, header.model_hash)
    if header.rate not in RATES:
        raise UserError(f"unknown rate {header.rate}; available: {', '.join(map(str, RATES))}")
    check_range("pixels in width", header.width, coder.MAX_SIDE)
    check_range("pixels in height", header.height, coder.MAX_SIDE)
    check_range("channels", len(quantizer.low), coder.MAX_CHANNELS)
    for low, high in zip(quantizer.low, quantizer.high, strict=True):
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise UserError(
                f"a channel ranges from {low} to {high}; low <= high is needed, both finite"
            )


def check_magic(data: bytes) -> None:
    """Raise a UserError unless the data starts like a .tcz file."""
    if data[: len(MAGIC)] != MAGIC:
        if not data:
            raise UserError("the file is empty; a .tcz file is needed")
        raise UserError("this is not a .tcz file: it does not start with 89 54 43 5A")


def check_model(name: str, digest: bytes) -> None:
    """Raise a UserError unless a header has room for a network's id and hash."""
    if not (1 <= len(name) <= ID_BYTES and name.isascii() and name.isprintable()):
        raise UserError(f"a model id has 1 to {ID_BYTES} printable ASCII characters, not {name!r}")
    if len(digest) != HASH_BYTES:
        raise UserError(f"a model hash has {HASH_BYTES} bytes, not {len(digest)}")


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Raise a UserError if an image has more than `max_pixels`."""
    if width * height > max_pixels:
        raise UserError(
            f"this .tcz file claims {width}x{height} pixels; the limit is {max_pixels}, which "
            "--max-pixels raises"
        )


def check_range(what: str, value: int, most: int) -> None:
    """Raise a UserError unless a count is from 1 to `most`."""
    if not 1 <= value <= most:
        raise UserError(f"a .tcz file has 1 to {most} {what}, not {value}")


def _check_lengths(table: Sequence[Segment], header: Header) -> None:
    most = coder.max_bytes(header.shape)
    for number, segment in enumerate(table, 1):
        if not 1 <= segment.size <= most:
            raise UserError(
                f"plane {number} of this .tcz file claims {segment.size} bytes; it has 1 to {most}"
            )
