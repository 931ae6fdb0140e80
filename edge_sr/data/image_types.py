"""The types of images in memory: 8-bit pixels, 16-bit counts, and what was read with them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""8 bits, (H, W) gray or (H, W, 3) RGB."""

Counts = NDArray[np.uint16]
"""16-bit gray (H, W)."""

Samples = NDArray[np.unsignedinteger[Any]]
"""Pixels or counts."""


@dataclass(frozen=True)
class Image:
    """Pixels as networks see them.

    Attributes:
        pixels: uint8, (H, W) gray or (H, W, 3) RGB.
        note: one sentence on what was converted, or None.
        profile: the embedded ICC profile, unchanged and not interpreted; None for sRGB.
    """

    pixels: Pixels
    note: str | None = None
    profile: bytes | None = None


@dataclass(frozen=True)
class WideImage:
    """A 16-bit gray image, as thermal cameras write it.

    Attributes:
        pixels: uint16 (H, W), the file's samples.
        note: as in `Image`.
        profile: as in `Image`.
    """

    pixels: Counts
    note: str | None = None
    profile: bytes | None = None
