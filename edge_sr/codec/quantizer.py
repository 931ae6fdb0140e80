"""Latents as 8-bit samples and back.

The slides of TinyCompress compare two ways: to clip latents to [0, 1], and to normalize them to
[0, 1] first; both then scale to [0, 255]. Normalizing loses less, and its ranges are in the file.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from edge_sr.errors import UserError

_FLOAT32 = np.finfo(np.float32).min, np.finfo(np.float32).max


class Kind(IntEnum):
    """Where a quantizer's ranges come from; a decoder need not know."""

    CLIPPING = 0
    NORMALIZATION = 1


@dataclass(frozen=True)
class Quantizer:
    """A range for each channel.

    Attributes:
        kind: where the ranges come from.
        low: what sample 0 stands for; finite float32.
        high: what sample 255 stands for; finite float32, not below `low`.
    """

    kind: Kind
    low: tuple[float, ...]
    high: tuple[float, ...]

    def quantize(self, latents: np.ndarray) -> np.ndarray:
        """Round to the nearest sample, ties to even; beyond the range to its end.

        Args:
            latents: (channels, height, width), finite.

        Returns:
            uint8 of the same shape.
        """
        low, span = self._columns()
        steps = np.divide(latents - low, span, out=np.zeros(latents.shape), where=span > 0)
        return np.rint(np.clip(steps, 0, 1) * 255).astype(np.uint8)

    def restore(self, samples: np.ndarray) -> np.ndarray:
        """What samples stand for: low + sample * (high - low) / 255, in float64, then float32.

        Args:
            samples: (channels, height, width) uint8.

        Returns:
            float32 of the same shape.
        """
        low, span = self._columns()
        table = low + np.arange(256) * span / 255
        stands_for = np.clip(table, *_FLOAT32).astype(np.float32)
        return np.stack([row[0][plane] for row, plane in zip(stands_for, samples, strict=True)])

    def _columns(self) -> tuple[np.ndarray, np.ndarray]:
        low, high = (np.array(side, np.float64)[:, None, None] for side in (self.low, self.high))
        return low, high - low


def normalizing(latents: np.ndarray) -> Quantizer:
    """The quantizer whose ranges are just those of the channels.

    Args:
        latents: (channels, height, width).

    Raises:
        UserError: they are not finite.
    """
    if not np.isfinite(latents).all():
        raise UserError("the latents hold values that are not finite; all must be")
    flat = latents.reshape(len(latents), -1).astype(np.float32)
    low, high = flat.min(1).tolist(), flat.max(1).tolist()
    return Quantizer(Kind.NORMALIZATION, tuple(low), tuple(high))


def clipping(channels: int, low: float = 0.0, high: float = 1.0) -> Quantizer:
    """The quantizer that clips every channel to one range, which the image has no say in."""
    return Quantizer(Kind.CLIPPING, (low,) * channels, (high,) * channels)
