"""Changes single words of a packed plan, whose format `esr_plan.h` describes."""

import struct
from collections.abc import Iterator

HEADER_WORDS, BUFFER_WORDS, OPERATOR_WORDS = 15, 8, 16
HEADER = {"magic": 0, "version": 1, "layout": 2, "bytes": 3, "buffers": 4, "operators": 5}
HEADER |= {"entries": 6, "unit_pixels": 7, "in": 8, "out": 9, "halo": 10, "latency": 11}
HEADER |= {"unit_bytes": 12, "fixed_bytes": 13, "scratch_bytes": 14}
BUFFER = {"unit_pixels": 0, "channels": 1, "depth": 2, "padding": 3, "bottom_padding": 4}
BUFFER |= {"zero_point": 5, "unit_offset": 6, "fixed_offset": 7}
OPERATOR = {"kind": 0, "in": 1, "other": 2, "out": 3, "kernel_h": 4, "kernel_w": 5, "groups": 6}
OPERATOR |= {"extra": 7, "weights": 8, "bias": 9, "scales": 10, "low": 11, "high": 12, "zero": 13}

Offset = tuple[int, int]
"""A number of bytes that grows with the width: per unit, and fixed."""


class PlanWords:
    """A packed plan whose buffers can be moved."""

    def __init__(self, blob: bytes) -> None:
        self.blob = bytearray(blob)

    def word(self, index: int) -> int:
        """The word at an index."""
        return int(struct.unpack_from("<I", self.blob, 4 * index)[0])

    def write(self, index: int, value: int) -> None:
        """Overwrite the word at an index."""
        struct.pack_into("<I", self.blob, 4 * index, value % 2**32)

    def operators(self) -> range:
        """The first word of each operator."""
        first = HEADER_WORDS + BUFFER_WORDS * self.word(HEADER["buffers"])
        count = self.word(HEADER["operators"])
        return range(first, first + OPERATOR_WORDS * count, OPERATOR_WORDS)

    def sources(self) -> Iterator[tuple[int, int]]:
        """Each operator's input and output buffer where they are not the same one."""
        for start in self.operators():
            target = self.word(start + OPERATOR["out"])
            for name in ("in", "other"):
                source = self.word(start + OPERATOR[name])
                if source != target:
                    yield source, target

    def size(self, buffer: int) -> Offset:
        """The bytes of a buffer."""
        start = HEADER_WORDS + BUFFER_WORDS * buffer
        pixels, channels, depth, padding = (self.word(start + i) for i in range(4))
        padded = 2 * (-(-padding * channels // 4) * 4)
        return depth * pixels * channels, depth * padded

    def grow(self, extra: Offset) -> Offset:
        """Make the memory for buffers larger; return its end before."""
        end = self.word(HEADER["unit_bytes"]), self.word(HEADER["fixed_bytes"])
        self.write(HEADER["unit_bytes"], end[0] + extra[0])
        self.write(HEADER["fixed_bytes"], end[1] + extra[1])
        return end

    def move(self, buffer: int, offset: Offset) -> None:
        """Move a buffer."""
        start = HEADER_WORDS + BUFFER_WORDS * buffer
        self.write(start + BUFFER["unit_offset"], offset[0])
        self.write(start + BUFFER["fixed_offset"], offset[1])


def stacked(blob: bytes, source: int, target: int, gap: Offset) -> bytes:
    """A plan with two buffers behind all others, one behind the other, `gap` bytes apart."""
    plan = PlanWords(blob)
    first, second = plan.size(source), plan.size(target)
    end = plan.grow((first[0] + second[0] + 16, first[1] + second[1] + 1024))
    plan.move(source, end)
    plan.move(target, (end[0] + first[0] + gap[0], end[1] + first[1] + gap[1]))
    return bytes(plan.blob)
