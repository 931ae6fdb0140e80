"""Quantizes latents to 8-bit samples, and restores them.

The TinyCompress slides compare two ways: clipping latents to [0, 1], and normalizing them to [0, 1]
first; both then scale to [0, 255]. Normalizing loses less, and stores its ranges in the file.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from edge_sr.errors import UserError

_FLOAT32 = np.finfo(np.float32).min, np.finfo(np.float32).max


class Kind(IntEnum):
    """The origin of a quantizer's ranges; decoding does not depend on it."""

    CLIPPING = 0
    NORMALIZATION = 1


@dataclass(frozen=True)
class Quantizer:
    """A linear quantizer with one range per channel.

    Attributes:
        kind: the origin of the ranges.
        low: the value of sample 0; finite float32.
        high: the value of sample 255; finite float32, not below `low`.
    """

    kind: Kind
    low: tuple[float, ...]
    high: tuple[float, ...]

    def quantize(self, latents: np.ndarray) -> np.ndarray:
        """Round latents to the nearest sample, ties to even, clipped to the range.

        Args:
            latents: (channels, height, width), finite.

        Returns:
            uint8 of the same shape.
        """
        low, span = self._columns()
        steps = np.divide(latents - low, span, out=np.zeros(latents.shape), where=span > 0)
        return np.rint(np.clip(steps, 0, 1) * 255).astype(np.uint8)

    def restore(self, samples: np.ndarray) -> np.ndarray:
        """Return the values of samples: low + sample * (high - low) / 255 in float64, as float32.

        Args:
            samples: (channels, height, width) uint8.

        Returns:
            float32 of the same shape.
        """
        low, span = self._columns()
        table = low + np.arange(256) * span / 255
        values = np.clip(table, *_FLOAT32).astype(np.float32)
        return np.stack([row[0][plane] for row, plane in zip(values, samples, strict=True)])

    def _columns(self) -> tuple[np.ndarray, np.ndarray]:
        low, high = (np.array(ends, np.float64)[:, None, None] for ends in (self.low, self.high))
        return low, high - low


def normalizing(latents: np.ndarray) -> Quantizer:
    """Return the quantizer whose ranges are those of the channels.

    Args:
        latents: (channels, height, width).

    Raises:
        UserError: a latent is not finite.
    """
    if not np.isfinite(latents).all():
        raise UserError("the latents hold values that are not finite")
    flat = latents.reshape(len(latents), -1).astype(np.float32)
    low, high = flat.min(1).tolist(), flat.max(1).tolist()
    return Quantizer(Kind.NORMALIZATION, tuple(low), tuple(high))


def clipping(channels: int, low: float = 0.0, high: float = 1.0) -> Quantizer:
    """Return the quantizer that clips every channel to the same range."""
    return Quantizer(Kind.CLIPPING, (low,) * channels, (high,) * channels)
