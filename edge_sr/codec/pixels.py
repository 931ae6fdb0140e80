"""Gray images in codecs of RGB: three equal channels, and their mean."""

import numpy as np

from edge_sr.data.image_types import Pixels


def as_rgb(pixels: Pixels) -> Pixels:
    """Return (H, W, 3) of an image that is gray (H, W) or RGB."""
    return np.repeat(pixels[..., np.newaxis], 3, axis=2) if pixels.ndim == 2 else pixels


def to_gray(rgb: Pixels) -> Pixels:
    """Return the mean of R, G and B, rounded to nearest (thirds never tie)."""
    return ((rgb.sum(axis=2, dtype=np.uint16) + 1) // 3).astype(np.uint8)
