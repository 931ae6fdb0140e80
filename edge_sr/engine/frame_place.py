"""Places blocks of memory that live at known times, so that those of one time do not overlap."""

import bisect
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Block:
    """Memory to place.

    Attributes:
        size: bytes.
        live: for each event, whether the block is in use.
    """

    size: int
    live: np.ndarray

    @property
    def first(self) -> int:
        """The first event that uses the block."""
        return int(self.live.argmax())

    @property
    def mask(self) -> int:
        """A number with one bit per event."""
        return int.from_bytes(np.packbits(self.live).tobytes(), "big")


def block(size: int, spans: Iterable[tuple[int, int]], events: int) -> Block:
    """A block that is in use at these spans (first and last event) of so many events."""
    live = np.zeros(events, bool)
    for first, last in spans:
        live[first : last + 1] = True
    return Block(size, live)


def lower_bound(blocks: Sequence[Block]) -> int:
    """The most bytes in use at one event: no placement takes less."""
    used = np.zeros(blocks[0].live.shape, np.int64)
    for item in blocks:
        used[item.live] += item.size
    return int(used.max())


def place(blocks: Sequence[Block], apart: Collection[frozenset[int]]) -> list[int]:
    """The offset of each block; the best of several orders in which they are placed.

    Args:
        blocks: what to place.
        apart: pairs of indices that must not overlap whenever they live.
    """
    masks = [item.mask for item in blocks]
    indices = range(len(blocks))
    meets = [[bool(masks[i] & masks[j]) or {i, j} in apart for j in indices] for i in indices]
    lengths = [int(item.live.sum()) for item in blocks]
    orders = [
        sorted(indices, key=lambda i: -blocks[i].size),
        sorted(indices, key=lambda i: -lengths[i]),
        sorted(indices, key=lambda i: -blocks[i].size * lengths[i]),
        sorted(indices, key=lambda i: blocks[i].first),
    ]
    placements = [_place_in_order(blocks, order, meets) for order in orders]
    return min(placements, key=lambda offsets: max(map(_end, blocks, offsets)))


def _end(item: Block, offset: int) -> int:
    return offset + item.size


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
