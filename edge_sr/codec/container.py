"""Writes and reads .tcz files (`docs/reference/tcz.md`); files are parsed as hostile input."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO

import numpy as np

from edge_sr.codec import planes as bit_planes
from edge_sr.codec.header import (
    LONGEST_HEAD,
    MAX_PIXELS,
    Header,
    check_header,
    pack_head,
    parse_head,
)
from edge_sr.engine import coder
from edge_sr.errors import UserError
from edge_sr.files import read_at_most

_SURPLUS = "the file has surplus bytes after its last plane"


@dataclass(frozen=True)
class File:
    """A file that was read.

    Attributes:
        header: of the file.
        planes: number of bit planes that were written, 1 to 8.
        segments: the intact coded planes, the most significant first; at least one.
        note: one sentence on missing planes or surplus bytes; empty if the file is intact.
    """

    header: Header
    planes: int
    segments: tuple[bytes, ...]
    note: str

    def latents(self) -> np.ndarray:
        """Return the latents, float32 (channels, height, width), decoded from the intact planes."""
        kept = coder.decode(self.segments, self.header.shape)
        return self.header.quantizer.restore(bit_planes.restore(kept, len(self.segments)))


def pack(header: Header, samples: np.ndarray, planes: int) -> bytes:
    """Return a file.

    Args:
        header: of the file.
        samples: (channels, height, width) uint8, quantized latents.
        planes: number of bit planes to keep, 1 to 8.

    Raises:
        UserError: the header or the number of planes is out of range, or the samples do not have
            the shape that the header gives.
    """
    bit_planes.check(planes)
    check_header(header)
    if samples.shape != header.shape:
        raise UserError(f"the latents are {samples.shape}; this image needs {header.shape}")
    return assemble(header, coder.encode(samples, planes))


def assemble(header: Header, segments: Sequence[bytes]) -> bytes:
    """Return a file of planes that are coded already, the most significant first."""
    return pack_head(header, segments) + b"".join(segments)


class State(StrEnum):
    """Whether a coded plane is intact."""

    INTACT = "intact"
    DAMAGED = "damaged"
    TRUNCATED = "truncated"


@dataclass(frozen=True)
class Plane:
    """A coded plane of a file.

    Attributes:
        size: bytes that the header states.
        state: of the plane; planes after the first that is not intact cannot be decoded.
        segment: the bytes that are in the file.
    """

    size: int
    state: State
    segment: bytes


@dataclass(frozen=True)
class Inspection:
    """The contents of a file, intact or not.

    Attributes:
        header: of the file.
        planes: all that the header lists, the most significant first.
        head: bytes before the first plane.
        extra: whether surplus bytes follow the last plane.
    """

    header: Header
    planes: tuple[Plane, ...]
    head: int
    extra: bool

    @property
    def intact(self) -> int:
        """The number of planes that can be decoded: those before the first that is not intact."""
        states = [plane.state is State.INTACT for plane in self.planes]
        return [*states, False].index(False)


def inspect(data: bytes, max_pixels: int = MAX_PIXELS) -> Inspection:
    """List every plane of a file with its state.

    Raises:
        UserError: the header is damaged, truncated or of another version, or the image has more
            than `max_pixels`.
    """
    header, table, head = parse_head(data, max_pixels)
    planes, start = [], head
    for entry in table:
        segment = data[start : start + entry.size]
        if len(segment) < entry.size:
            state = State.TRUNCATED
        else:
            state = State.INTACT if zlib.crc32(segment) == entry.crc else State.DAMAGED
        planes.append(Plane(entry.size, state, segment))
        start += entry.size
    return Inspection(header, tuple(planes), head, start < len(data))


def read(stream: BinaryIO, max_pixels: int = MAX_PIXELS, start: bytes = b"") -> bytes:
    """Read a file from a stream, and at most one byte more than its header states.

    Args:
        stream: the file.
        max_pixels: as in `inspect`.
        start: the first bytes of the file, if the caller has read them from the stream.

    Raises:
        UserError: as in `inspect`.
    """
    data = start + read_at_most(stream, LONGEST_HEAD - len(start))
    _, table, head = parse_head(data, max_pixels)
    rest = head + sum(entry.size for entry in table) + 1 - len(data)
    return data + read_at_most(stream, rest)


def unpack(
    data: bytes,
    salvage: bool = False,
    max_pixels: int = MAX_PIXELS,
    planes: int | None = None,
) -> File:
    """Read a file; one that is truncated after its header gives its intact planes.

    Args:
        data: the file.
        salvage: skip damaged planes, the planes after them and surplus bytes instead of raising an
            error.
        max_pixels: limit on the size of the image.
        planes: number of planes that will be decoded; damage after them is only noted.

    Raises:
        UserError: the data is not a .tcz file, of another version, damaged or too large, or no
            plane is intact.
    """
    contents = inspect(data, max_pixels)
    if not salvage:
        _check_intact(contents, planes)
    if contents.intact == 0:
        raise UserError("no bit plane of this .tcz file is intact; fetch the file again")
    segments = tuple(plane.segment for plane in contents.planes[: contents.intact])
    return File(contents.header, len(contents.planes), segments, _note(contents))


def _check_intact(contents: Inspection, needed: int | None) -> None:
    """Raise an error on surplus bytes, and on damage within the planes that are needed."""
    intact, count = contents.intact, len(contents.planes)
    if intact == count and contents.extra:
        raise UserError(f"{_SURPLUS}; `edge-sr decompress --salvage` ignores them")
    enough = needed is not None and needed <= intact
    if intact < count and contents.planes[intact].state is State.DAMAGED and not enough:
        salvage = f"`edge-sr decompress --salvage` decodes the {intact} before it"
        advice = "fetch the file again" if intact == 0 else salvage
        raise UserError(f"plane {intact + 1} of {count} is damaged; {advice}")


def _note(contents: Inspection) -> str:
    """One sentence on missing planes or surplus bytes; empty if the file is intact."""
    intact, count = contents.intact, len(contents.planes)
    if intact == count:
        return (
            "the file has surplus bytes after its last plane; its planes are intact"
            if contents.extra
            else ""
        )
    plane = contents.planes[intact]
    if plane.state is State.DAMAGED:
        return f"plane {intact + 1} of {count} is damaged; those before it are intact"
    if not plane.segment:
        return f"the file is truncated after plane {intact} of {count}; those planes are intact"
    return f"the file is truncated within plane {intact + 1} of {count}; those before it are intact"
