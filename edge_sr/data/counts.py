"""Maps the 16-bit samples (counts) of thermal cameras to 8 bits.

A camera's counts fill a narrow part of 16 bits, and a dead pixel or the sun lies far outside it.
The span therefore ignores one thousandth of the samples at each end. Counts outside the span are
clipped in the 8-bit images that networks are trained and evaluated on; upscaling keeps them
(`edge_sr.upscaling`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_sr.data.image_types import Counts, Pixels

_IGNORED_SHARE = 1000  # one sample in a thousand, at each end
_WHITE = 255


@dataclass(frozen=True)
class Span:
    """The counts that become 0 and 255; `high` is above `low`."""

    low: int
    high: int

    def narrow(self, counts: Counts) -> Pixels:
        """Convert counts of any shape to 8-bit pixels, rounded to nearest and clipped."""
        width = self.high - self.low
        inside = np.clip(counts, self.low, self.high).astype(np.int32) - self.low
        return ((inside * _WHITE + width // 2) // width).astype(np.uint8)

    def add(self, counts: Counts, detail: NDArray[np.int16]) -> Counts:
        """Add a difference of 8-bit pixels to counts of the same shape, clipped to 16 bits."""
        change = (detail.astype(np.int32) * (self.high - self.low) + _WHITE // 2) // _WHITE
        return np.clip(counts + change, 0, np.iinfo(np.uint16).max).astype(np.uint16)


def span_of(counts: Counts) -> Span:
    """Return the span from the smallest to the largest sample, ignoring a thousandth at each end.

    Args:
        counts: uint16, not empty.
    """
    cumulative = np.cumsum(np.bincount(counts.ravel()))
    ignored = counts.size // _IGNORED_SHARE
    low = int(np.searchsorted(cumulative, ignored, side="right"))
    high = int(np.searchsorted(cumulative, counts.size - ignored))
    return Span(low, high) if low < high else Span(max(low - 1, 0), max(low, 1))
