"""The header of .tcz files of version 2: written, and parsed as hostile input.

`docs/reference/tcz.md` documents its bytes.
"""

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

from edge_sr.codec.context import MAX_CHANNELS
from edge_sr.codec.header import (
    DAMAGED,
    HASH_BYTES,
    ID_BYTES,
    MAGIC,
    TRUNCATED,
    Colour,
    check_magic,
    check_model,
    check_pixels,
    check_range,
)
from edge_sr.engine import symbols
from edge_sr.engine.symbols import LARGEST
from edge_sr.errors import UserError

VERSION = 2
STEP = 8
"""Image pixels per symbol of a channel, along each side."""

MAX_SIDE = 65535
MAX_ROWS = 65535
"""Maximum number of rows of symbols in a part."""

_FIXED = struct.Struct(f"<4s4BH2b2I2H{ID_BYTES}s{HASH_BYTES}s{HASH_BYTES}s")
_CRC = struct.Struct("<I")

SIZE = _FIXED.size + _CRC.size
"""Bytes of the header."""


class Kind(IntEnum):
    """The kind of codec."""

    CAE = 1


@dataclass(frozen=True)
class Header:
    """The header of a file.

    Attributes:
        model_id: of the codec: 1 to 16 printable ASCII characters.
        model_hash: the first 8 bytes of the SHA-256 of the decoder's file.
        context_hash: the 8 bytes that identify the integers of the context model.
        width: of the image, 1 to 65535 pixels.
        height: of the image, 1 to 65535 pixels.
        channels: of the symbols, 1 to 64.
        place: the quality: position among the gains of the codec, in 1/256, 0 to 65535.
        rows_per_part: rows of symbols in each part but the last, 1 to 65535.
        colour: of the image.
        smallest: symbol, -127 to 0.
        largest: symbol, 0 to 127.
        kind: of codec.
        step: image pixels per symbol of a channel, along each side: 8.
    """

    model_id: str
    model_hash: bytes
    context_hash: bytes
    width: int
    height: int
    channels: int
    place: int
    rows_per_part: int
    colour: Colour = Colour.RGB
    smallest: int = -127
    largest: int = 127
    kind: Kind = Kind.CAE
    step: int = STEP

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of the symbols: (height, width, channels)."""
        return -(-self.height // self.step), -(-self.width // self.step), self.channels

    @property
    def parts(self) -> int:
        """The number of parts in a whole file."""
        return -(-self.shape[0] // self.rows_per_part)

    def rows(self, parts: int) -> int:
        """The rows of symbols in the first parts."""
        return min(parts * self.rows_per_part, self.shape[0])

    def pixel_rows(self, parts: int) -> int:
        """The rows of the image whose symbols are in the first parts."""
        return min(self.rows(parts) * self.step, self.height)

    def max_bytes(self, part: int) -> int:
        """The maximum length in bytes of a coded part; the first has number 0."""
        rows = self.rows(part + 1) - self.rows(part)
        return symbols.max_part_bytes((rows, self.shape[1], self.channels))


def pack_head(header: Header) -> bytes:
    """Return the header's bytes.

    Raises:
        UserError: a value is out of range.
    """
    check_header(header)
    head = _FIXED.pack(
        *(MAGIC, VERSION, header.kind, header.colour, header.step),
        *(header.channels, header.smallest, header.largest),
        *(header.width, header.height, header.place, header.rows_per_part),
        *(header.model_id.encode(), header.model_hash, header.context_hash),
    )
    return head + _CRC.pack(zlib.crc32(head))


def parse_head(data: bytes, max_pixels: int) -> Header:
    """Parse the header at the start of a file.

    Args:
        data: the file, or at least its first `SIZE` bytes.
        max_pixels: of the image.

    Raises:
        UserError: the data is not a .tcz file, of another version or kind, truncated or damaged,
            or the image has more than `max_pixels`.
    """
    check_magic(data)
    version = data[len(MAGIC) : len(MAGIC) + 1]
    if version not in (b"", bytes([VERSION])):
        raise UserError(f"this .tcz file has version {version[0]}, not {VERSION}")
    if len(data) < SIZE:
        raise UserError(TRUNCATED)
    if data[_FIXED.size : SIZE] != _CRC.pack(zlib.crc32(data[: _FIXED.size])):
        raise UserError(DAMAGED)
    _, _, kind, colour, step, channels, smallest, largest, *rest = _FIXED.unpack_from(data)
    width, height, place, rows_per_part, name, model_hash, context_hash = rest
    if kind not in iter(Kind):
        raise UserError(f"this .tcz file is of codec kind {kind}; use a newer decoder")
    if colour not in iter(Colour):
        raise UserError("the header of this .tcz file has values that version 2 does not define")
    model_id = name.rstrip(b"\0").decode("ascii", "replace")
    header = Header(
        *(model_id, model_hash, context_hash, width, height, channels, place, rows_per_part),
        colour=Colour(colour),
        smallest=smallest,
        largest=largest,
        kind=Kind(kind),
        step=step,
    )
    check_header(header)
    check_pixels(width, height, max_pixels)
    return header


def check_header(header: Header) -> None:
    """Check that a header can be written.

    Raises:
        UserError: a value is out of range.
    """
    check_model(header.model_id, header.model_hash)
    if len(header.context_hash) != HASH_BYTES:
        raise UserError(f"a context hash has {HASH_BYTES} bytes, not {len(header.context_hash)}")
    if header.step != STEP:
        raise UserError(f"a .tcz file has {STEP} pixels per symbol, not {header.step}")
    check_range("pixels in width", header.width, MAX_SIDE)
    check_range("pixels in height", header.height, MAX_SIDE)
    check_range("channels", header.channels, MAX_CHANNELS)
    check_range("rows per part", header.rows_per_part, MAX_ROWS)
    if not 0 <= header.place < 2**16:
        raise UserError(f"a .tcz file has a place of 0 to {2**16 - 1}, not {header.place}")
    if not -LARGEST <= header.smallest <= 0 <= header.largest <= LARGEST:
        raise UserError(
            f"symbols of a .tcz file are {-LARGEST} to {LARGEST} and include 0, not "
            f"{header.smallest} to {header.largest}"
        )
