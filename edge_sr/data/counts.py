"""16-bit samples of thermal cameras: which part of their range becomes 8 bits.

A camera's counts fill a narrow part of 16 bits, and a dead pixel or the sun lies far outside it. A
thousandth of the samples on either side is therefore left out of the span: what lies beyond is
clipped in the 8 bits that networks are trained on and judged by, and kept where images are upscaled
(`edge_sr.upscale`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Counts = NDArray[np.uint16]

_LEFT_OUT = 1000  # of so many samples one, on either side
_WHITE = 255


@dataclass(frozen=True)
class Span:
    """The counts that become 0 and 255; `high` is above `low`."""

    low: int
    high: int

    def narrow(self, counts: Counts) -> Pixels:
        """Counts of any shape as 8-bit pixels, rounded to nearest, clipped."""
        width = self.high - self.low
        inside = np.clip(counts, self.low, self.high).astype(np.int32) - self.low
        return ((inside * _WHITE + width // 2) // width).astype(np.uint8)

    def add(self, counts: Counts, detail: NDArray[np.int16]) -> Counts:
        """Counts plus a difference of 8-bit pixels of the same shape, clipped to 16 bits."""
        change = (detail.astype(np.int32) * (self.high - self.low) + _WHITE // 2) // _WHITE
        return np.clip(counts + change, 0, np.iinfo(np.uint16).max).astype(np.uint16)


def span_of(counts: Counts) -> Span:
    """The span of an image: from its least to its largest sample, but for a thousandth of each.

    Args:
        counts: uint16, not empty.
    """
    below = np.cumsum(np.bincount(counts.ravel()))
    left_out = counts.size // _LEFT_OUT
    low = int(np.searchsorted(below, left_out, side="right"))
    high = int(np.searchsorted(below, counts.size - left_out))
    return Span(low, high) if low < high else Span(max(low - 1, 0), max(low, 1))
