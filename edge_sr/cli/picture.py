"""The picture that `edge-sr compare` draws."""

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edge_sr.data.colour import luminance
from edge_sr.data.degradation import bicubic_upscale
from edge_sr.errors import UserError
from edge_sr.evaluate import Score, score
from edge_sr.files import replacing
from edge_sr.metrics import SSIM_WINDOW
from edge_sr.runtime.session import Session
from edge_sr.upscale import upscale

CROP = 96
"""Side of the crop that is chosen automatically, in pixels of the original."""


@dataclass(frozen=True)
class Crop:
    """A rectangle of the original, in pixels."""

    left: int
    top: int
    width: int
    height: int

    def of(self, pixels: np.ndarray) -> np.ndarray:
        """Cut the rectangle out of (H, W) or (H, W, 3)."""
        rows = slice(self.top, self.top + self.height)
        return pixels[rows, self.left : self.left + self.width]


@dataclass(frozen=True)
class Panel:
    """One picture with its title; the score is None for the original."""

    title: str
    pixels: np.ndarray
    score: Score | None


def panels(
    original: np.ndarray, low: np.ndarray, sessions: dict[str, Session], per_channel: bool
) -> list[Panel]:
    """The original, bicubic, and what each session makes of the low-resolution image."""
    scale = len(original) // len(low)
    bicubic = partial(bicubic_upscale, scale=scale)
    found = [
        Panel("original", original, None),
        Panel("bicubic", bicubic(low), score(bicubic, low, original, scale, per_channel)),
    ]
    for name, session in sessions.items():
        pixels = upscale(session, low, per_channel)
        found.append(Panel(name, pixels, score(session, low, original, scale, per_channel)))
    return found


def check_size(original: np.ndarray, scale: int, name: str) -> None:
    """Refuse an image that is too small for its scores.

    Raises:
        UserError: the text states the smallest size, which is a multiple of `scale`.
    """
    least = scale * math.ceil((SSIM_WINDOW + 2 * scale) / scale)
    if min(original.shape[:2]) < least:
        raise UserError(f"{name} is too small to compare at x{scale}; {least}x{least} is the least")


def find_crop(text: str | None, original: np.ndarray) -> Crop:
    """The crop that the text names, or without one, where most detail is."""
    return most_detailed(original) if text is None else parse_crop(text, original.shape)


def parse_crop(text: str, shape: tuple[int, ...]) -> Crop:
    """Read X,Y,W,H.

    Raises:
        UserError: not four whole numbers, empty, or not inside the image.
    """
    try:
        left, top, width, height = (int(part) for part in text.split(","))
    except ValueError:
        raise UserError(f"the crop {text!r} is not X,Y,W,H in whole pixels") from None
    if width < 1 or height < 1:
        raise UserError(f"the crop {text} is empty; its width W and height H are 1 or more")
    inside = left >= 0 and top >= 0 and left + width <= shape[1] and top + height <= shape[0]
    if not inside:
        raise UserError(f"the crop {text} does not lie inside the image of {shape[1]}x{shape[0]}")
    return Crop(left, top, width, height)


def most_detailed(pixels: np.ndarray, side: int = CROP) -> Crop:
    """The square with the most energy in the differences between neighbouring luma pixels.

    Squares prefer a few strong edges, on which methods differ visibly, to much faint texture.

    Args:
        pixels: uint8 (H, W) or (H, W, 3).
        side: of the square; less where the image is smaller.
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


def draw(out: Path, pictures: list[Panel], crop: Crop, title: str) -> None:
    """Draw the crop of each panel in a row, each with its PSNR and SSIM."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = 3.0 * crop.height / crop.width
    figure = Figure(figsize=(3.1 * len(pictures), height + 0.9), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    axes = figure.subplots(1, len(pictures), squeeze=False)[0]
    for axis, panel in zip(axes, pictures, strict=True):
        _draw_panel(axis, panel, crop)
    with replacing(out) as temporary:
        figure.savefig(temporary, format=out.suffix.lower().removeprefix("."), dpi=150)


def _draw_panel(axis: Any, panel: Panel, crop: Crop) -> None:
    axis.imshow(crop.of(panel.pixels), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axis.set_axis_off()
    figures = "PSNR / SSIM"
    if panel.score is not None:
        figures = f"{panel.score.psnr:.2f} dB / {panel.score.ssim:.4f}"
    axis.set_title(f"{panel.title}\n{figures}", fontsize=10)
