"""Compares networks on one image: upscales it with each, and finds a crop with much detail.

The image is reduced by the scale first. Each panel holds an upscaled image and its score.
"""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from edge_sr.data.colour import luminance
from edge_sr.data.degradation import bicubic_upscale
from edge_sr.errors import UserError
from edge_sr.evaluate import Score, score
from edge_sr.metrics import SSIM_WINDOW
from edge_sr.runtime.session import Session
from edge_sr.upscaling import upscale

CROP = 96
"""Width and height of the automatic crop, in pixels of the original."""


@dataclass(frozen=True)
class Crop:
    """A rectangle of the original, in pixels."""

    left: int
    top: int
    width: int
    height: int

    def check_inside(self, shape: tuple[int, ...]) -> None:
        """Refuse a crop that is not inside an image of a shape (H, W, ...).

        Raises:
            UserError: a part of it is outside.
        """
        inside = min(self.left, self.top) >= 0
        inside &= self.left + self.width <= shape[1] and self.top + self.height <= shape[0]
        if not inside:
            text = f"{self.left},{self.top},{self.width},{self.height}"
            raise UserError(f"the crop {text} reaches outside the image of {shape[1]}x{shape[0]}")

    def of(self, pixels: np.ndarray) -> np.ndarray:
        """Cut the rectangle out of an image (H, W) or (H, W, 3)."""
        rows = slice(self.top, self.top + self.height)
        return pixels[rows, self.left : self.left + self.width]


@dataclass(frozen=True)
class Panel:
    """An image with its title.

    Attributes:
        title: "original", "bicubic", or the name of a network.
        pixels: uint8 (H, W) or (H, W, 3).
        score: of the whole image; None for the original.
    """

    title: str
    pixels: np.ndarray
    score: Score | None


def panels(
    original: np.ndarray, low: np.ndarray, sessions: dict[str, Session], per_channel: bool
) -> list[Panel]:
    """Return the original, and the low-resolution image upscaled by bicubic and by each session.

    Args:
        original: uint8 (scale*h, scale*w) or with 3 channels.
        low: uint8 (h, w) or (h, w, 3).
        sessions: networks by name, all of that scale.
        per_channel: run the networks on R, G and B instead of luma.
    """
    scale = len(original) // len(low)
    bicubic = partial(bicubic_upscale, scale=scale)
    results = [
        Panel("original", original, None),
        Panel("bicubic", bicubic(low), score(bicubic, low, original, scale, per_channel)),
    ]
    for name, session in sessions.items():
        pixels = upscale(session, low, per_channel)
        results.append(Panel(name, pixels, score(session, low, original, scale, per_channel)))
    return results


def check_size(original: np.ndarray, scale: int, name: str) -> None:
    """Refuse an image that is too small for PSNR and SSIM.

    Raises:
        UserError: it is; the text states the smallest size, a multiple of `scale`.
    """
    least = scale * math.ceil((SSIM_WINDOW + 2 * scale) / scale)
    if min(original.shape[:2]) < least:
        height, width = original.shape[:2]
        raise UserError(
            f"{name} is {width}x{height}, too small to compare at x{scale}; "
            f"it needs at least {least}x{least}"
        )


def parse_crop(text: str) -> Crop:
    """Parse a crop X,Y,W,H (left, top, width, height).

    Raises:
        UserError: the text is not four integers, or the crop is empty.
    """
    try:
        left, top, width, height = (int(part) for part in text.split(","))
    except ValueError:
        raise UserError(f"the crop {text!r} is not X,Y,W,H (four integers, in pixels)") from None
    if width < 1 or height < 1:
        raise UserError(f"the crop {text} is empty; W and H must be at least 1")
    return Crop(left, top, width, height)


def most_detailed(pixels: np.ndarray, side: int = CROP) -> Crop:
    """Find the square crop with the largest sum of squared differences between luma neighbours.

    Squaring prefers a few strong edges, on which methods differ visibly, to faint texture.

    Args:
        pixels: uint8 (H, W) or (H, W, 3).
        side: width and height of the crop in pixels; smaller images limit it.
    """
    luma = luminance(pixels).astype(np.int64)
    detail = np.zeros_like(luma)
    detail[:, 1:] += np.diff(luma, axis=1) ** 2
    detail[1:] += np.diff(luma, axis=0) ** 2
    height, width = (min(side, length) for length in luma.shape)
    total = np.pad(detail, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    sums = total[height:, width:] - total[:-height, width:]
    sums = sums - (total[height:, :-width] - total[:-height, :-width])
    top, left = np.unravel_index(int(np.argmax(sums)), sums.shape)
    return Crop(int(left), int(top), width, height)
