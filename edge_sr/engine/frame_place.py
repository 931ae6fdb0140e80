"""Places blocks of memory that live at known times, so that those of one time do not overlap."""

import bisect
import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Block:
    """Memory to place.

    Attributes:
        size: bytes.
        life: the first and the last event at which it is in use.
        events: None if it is in use all the time between, else the only events.
    """

    size: int
    life: tuple[int, int]
    events: tuple[int, ...] | None = None

    def meets(self, other: "Block") -> bool:
        """Whether both are in use at the same event; of two of single events: never."""
        if self.events is None and other.events is None:
            return self.life[0] <= other.life[1] and other.life[0] <= self.life[1]
        if self.events is None:
            return other.meets(self)
        if other.events is not None:
            return False
        next_one = bisect.bisect_left(self.events, other.life[0])
        return next_one < len(self.events) and self.events[next_one] <= other.life[1]


def lower_bound(blocks: Sequence[Block], events: int) -> int:
    """The most bytes in use at one event: no placement takes less."""
    changes = [0] * (events + 1)
    for block in blocks:
        for first, last in (
            [block.life] if block.events is None else zip(block.events, block.events, strict=True)
        ):
            changes[first] += block.size
            changes[last + 1] -= block.size
    return max(itertools.accumulate(changes))


def place(blocks: Sequence[Block], apart: Collection[frozenset[int]]) -> list[int]:
    """The offset of each block; the best of several orders in which they are placed.

    Args:
        blocks: what to place.
        apart: pairs of indices that must not overlap whenever they live.
    """
    meets = [
        [
            first is not second and (first.meets(second) or frozenset((i, j)) in apart)
            for j, second in enumerate(blocks)
        ]
        for i, first in enumerate(blocks)
    ]
    indices = range(len(blocks))
    orders = [
        sorted(indices, key=lambda i: -blocks[i].size),
        sorted(indices, key=lambda i: (blocks[i].events is not None, -blocks[i].size)),
        sorted(indices, key=lambda i: (blocks[i].events is not None, blocks[i].life[0])),
    ]
    placements = [_place_in_order(blocks, order, meets) for order in orders]
    return min(placements, key=lambda offsets: max(map(_end, blocks, offsets)))


def _end(block: Block, offset: int) -> int:
    return offset + block.size


def _place_in_order(
    blocks: Sequence[Block], order: Sequence[int], meets: Sequence[Sequence[bool]]
) -> list[int]:
    """Give every block the lowest free offset, in that order."""
    offsets = [0] * len(blocks)
    placed: list[int] = []  # by offset
    for index in order:
        offset = 0
        for other in placed:
            if meets[index][other] and offsets[other] < offset + blocks[index].size:
                offset = max(offset, offsets[other] + blocks[other].size)
        offsets[index] = offset
        bisect.insort(placed, index, key=offsets.__getitem__)
    return offsets
