"""Writes and reads .tcz files of version 2; files are parsed as hostile input.

`docs/reference/tcz.md` documents the bytes. A part holds some rows of symbols. It is decoded after
all parts before it, so a file is usable up to its first part that is not intact.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from edge_sr.codec.container import State
from edge_sr.codec.header import MAX_PIXELS
from edge_sr.codec.header2 import SIZE, Header, pack_head, parse_head
from edge_sr.errors import UserError
from edge_sr.files import read_at_most

_PART = struct.Struct("<2I")
_SALVAGE = "`edge-sr decompress --salvage`"
_SURPLUS = "the file has surplus bytes after its last part"


@dataclass(frozen=True)
class File:
    """A file that was read.

    Attributes:
        header: of the file.
        parts: the intact coded parts from the top; at least one.
        note: one sentence on missing parts or surplus bytes; empty if the file is intact.
    """

    header: Header
    parts: tuple[bytes, ...]
    note: str

    @property
    def rows(self) -> int:
        """The rows of symbols in the intact parts."""
        return self.header.rows(len(self.parts))

    @property
    def pixel_rows(self) -> int:
        """The rows of the image that can be decoded."""
        return self.header.pixel_rows(len(self.parts))


def assemble(header: Header, parts: Sequence[bytes]) -> bytes:
    """Return a file of parts that are coded already, from the top.

    Raises:
        UserError: the header is out of range, or another number of parts is needed.
    """
    head = pack_head(header)
    if len(parts) != header.parts:
        raise UserError(f"this image has {header.parts} parts, not {len(parts)}")
    heads = (_PART.pack(len(part), zlib.crc32(part)) for part in parts)
    return head + b"".join(map(bytes.__add__, heads, parts))


@dataclass(frozen=True)
class Part:
    """A part of a file.

    Attributes:
        size: bytes of the coded part that the file states; None if the statement is missing.
        state: of the part; parts after the first that is not intact cannot be decoded.
        data: the coded bytes that are in the file.
    """

    size: int | None
    state: State
    data: bytes


@dataclass(frozen=True)
class Inspection:
    """The contents of a file, intact or not.

    Attributes:
        header: of the file.
        parts: all that the image has, from the top.
        extra: whether surplus bytes follow the last part.
    """

    header: Header
    parts: tuple[Part, ...]
    extra: bool

    @property
    def intact(self) -> int:
        """The number of parts that can be decoded: those before the first that is not intact."""
        states = [part.state is State.INTACT for part in self.parts]
        return [*states, False].index(False)

    @property
    def head(self) -> int:
        """Bytes besides the coded parts: the header, and the size and CRC-32 of each part."""
        return SIZE + _PART.size * len(self.parts)


def inspect(data: bytes, max_pixels: int = MAX_PIXELS) -> Inspection:
    """List every part of a file with its state.

    A part that states an impossible size is damaged. Those after it are too, as nothing says where
    they are.

    Raises:
        UserError: the header is damaged, truncated or of another version or kind, or the image has
            more than `max_pixels`.
    """
    header = parse_head(data, max_pixels)
    parts: list[Part] = []
    start = SIZE
    while len(parts) < header.parts:
        if len(data) - start < _PART.size:
            return _ended(header, parts, State.TRUNCATED)
        size, crc = _PART.unpack_from(data, start)
        start += _PART.size
        if not 1 <= size <= header.max_bytes(len(parts)):
            parts.append(Part(size, State.DAMAGED, b""))
            return _ended(header, parts, State.DAMAGED)
        coded = data[start : start + size]
        start += size
        if len(coded) < size:
            state = State.TRUNCATED
        else:
            state = State.INTACT if zlib.crc32(coded) == crc else State.DAMAGED
        parts.append(Part(size, state, coded))
    return Inspection(header, tuple(parts), start < len(data))


def _ended(header: Header, parts: Sequence[Part], state: State) -> Inspection:
    """The inspection of a file whose other parts have this state."""
    missing = header.parts - len(parts)
    return Inspection(header, (*parts, *missing * [Part(None, state, b"")]), extra=False)


def read(stream: BinaryIO, max_pixels: int = MAX_PIXELS, start: bytes = b"") -> bytes:
    """Read a file from a stream: at most one byte more than its parts state.

    Reading ends at a part that states an impossible size.

    Args:
        stream: the file.
        max_pixels: as in `inspect`.
        start: the first bytes of the file, if the caller has read them from the stream.

    Raises:
        UserError: as in `inspect`.
    """
    head = start + read_at_most(stream, SIZE - len(start))
    header = parse_head(head, max_pixels)
    pieces = [head]
    for number in range(header.parts):
        pieces.append(read_at_most(stream, _PART.size))
        if len(pieces[-1]) < _PART.size:
            break
        size, _ = _PART.unpack(pieces[-1])
        if not 1 <= size <= header.max_bytes(number):
            break
        pieces.append(read_at_most(stream, size))
    else:
        pieces.append(read_at_most(stream, 1))
    return b"".join(pieces)


def unpack(data: bytes, salvage: bool = False, max_pixels: int = MAX_PIXELS) -> File:
    """Read a file.

    Args:
        data: the file.
        salvage: return the parts before the first that is missing or damaged, and ignore surplus
            bytes, instead of raising an error.
        max_pixels: limit on the size of the image.

    Raises:
        UserError: the data is not a .tcz file, of another version or kind, damaged, truncated or
            too large, or no part is intact.
    """
    contents = inspect(data, max_pixels)
    intact, header = contents.intact, contents.header
    if intact == 0:
        raise UserError("no part of this .tcz file is intact; fetch the file again")
    rows = header.pixel_rows(intact)
    if not salvage and intact < header.parts:
        raise UserError(f"{_fault(contents)}; {_SALVAGE} decodes the {rows} rows before it")
    if not salvage and contents.extra:
        raise UserError(f"{_SURPLUS}; {_SALVAGE} ignores them")
    note = ""
    if intact < header.parts:
        note = f"{_fault(contents)}; {rows} of {header.height} rows are intact, the others gray"
    elif contents.extra:
        note = f"{_SURPLUS}; its parts are intact"
    return File(header, tuple(part.data for part in contents.parts[:intact]), note)


def _fault(contents: Inspection) -> str:
    """What is wrong with the first part that is not intact, without a full stop."""
    number, count = contents.intact, len(contents.parts)
    part = contents.parts[number]
    if part.state is State.DAMAGED:
        return f"part {number + 1} of {count} is damaged"
    if part.size is None:
        return f"the file is truncated after part {number} of {count}"
    return f"the file is truncated within part {number + 1} of {count}"


def check_symbols(symbols: np.ndarray, header: Header) -> None:
    """Check that symbols are of the alphabet that a header gives.

    Raises:
        UserError: a symbol is smaller or larger.
    """
    smallest, largest = int(symbols.min(initial=0)), int(symbols.max(initial=0))
    if smallest < header.smallest or largest > header.largest:
        raise UserError(
            f"this .tcz file has symbols from {smallest} to {largest}, and its header allows "
            f"{header.smallest} to {header.largest}; fetch the file again"
        )
