"""Scores an upscaler on a data set, by the protocol of published super-resolution results.

The BT.601 luma of the low-resolution image (uint8) is upscaled to uint8 and compared with the luma
of the original, cropped by `border` pixels on each side (by default `scale`). An RGB network
upscales the image itself, and the luma of its output is compared.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from edge_sr import metrics
from edge_sr.data.colour import luminance
from edge_sr.data.datasets import Pair, load_pair
from edge_sr.data.image_types import Pixels
from edge_sr.errors import UserError
from edge_sr.runtime.session import Session
from edge_sr.upscaling import upscale

PlaneUpscaler = Callable[[Pixels], Pixels]
"""Upscales a uint8 plane (H, W) to (scale*H, scale*W)."""

_MS_SSIM_SIDE = 161  # the smallest side for five octaves of an 11-pixel window


@dataclass(frozen=True)
class Score:
    """Quality of one image, or the mean of several.

    Attributes:
        psnr: dB, infinite for identical planes.
        ssim: at most 1.
        ms_ssim: 0..1, or None if an image is smaller than 161x161 inside its border.
    """

    psnr: float
    ssim: float
    ms_ssim: float | None


@dataclass(frozen=True)
class Record:
    """The score of one image; `height` and `width` are those of the cropped original."""

    name: str
    height: int
    width: int
    score: Score


def evaluate(
    upscaler: Session | PlaneUpscaler,
    pairs: Iterable[Pair],
    scale: int,
    per_channel: bool = False,
    border: int | None = None,
) -> Iterator[Record]:
    """Score an upscaler on each pair in order, one pair per iteration.

    Args:
        upscaler: a session of that scale, or any function that upscales a plane.
        pairs: from `edge_sr.data.datasets.find_pairs`.
        scale: the upscaling factor.
        per_channel: upscale R, G and B, and compare the luma of the result.
        border: pixels cropped from each side; `scale` by default.

    Raises:
        UserError: the session has another scale, or an image cannot be read or is too small to
            compare.
    """
    for pair in pairs:
        low, high = load_pair(pair, scale)
        try:
            result = score(upscaler, low, high, scale, per_channel, border)
        except UserError as error:
            raise UserError(f"{pair.hr}: {error}") from None
        yield Record(pair.name, high.shape[0], high.shape[1], result)


def score(
    upscaler: Session | PlaneUpscaler,
    low: Pixels,
    high: Pixels,
    scale: int,
    per_channel: bool = False,
    border: int | None = None,
) -> Score:
    """Score an upscaler on one image.

    Args:
        upscaler: as in `evaluate`.
        low: uint8 (h, w) or (h, w, 3).
        high: the original, uint8 (scale*h, scale*w) or with 3 channels.
        scale: the upscaling factor.
        per_channel: as in `evaluate`.
        border: as in `evaluate`.

    Raises:
        UserError: as in `evaluate`.
    """
    border = scale if border is None else border
    if isinstance(upscaler, Session):
        if upscaler.scale != scale:
            raise UserError(f"the model upscales x{upscaler.scale}, not x{scale}")
        if upscaler.channels == 3:
            large = upscale(upscaler, low, per_channel)
            return compare(luminance(high), luminance(large), border)
        upscaler = partial(upscale, upscaler)
    return compare(luminance(high), _upscaled_luma(upscaler, low, per_channel), border)


def _upscaled_luma(upscaler: PlaneUpscaler, low: Pixels, per_channel: bool) -> Pixels:
    if not per_channel or low.ndim == 2:
        return upscaler(luminance(low))
    return luminance(np.dstack([upscaler(low[..., channel]) for channel in range(3)]))


def compare(reference: Pixels, image: Pixels, border: int) -> Score:
    """Score a plane against its reference.

    Args:
        reference: uint8 (H, W).
        image: uint8 (H, W).
        border: pixels cropped from each side.

    Raises:
        UserError: the planes differ in size, or have fewer than 11x11 pixels inside the border.
    """
    large = min(reference.shape) - 2 * border >= _MS_SSIM_SIDE
    return Score(
        metrics.psnr(reference, image, border),
        metrics.ssim(reference, image, border),
        metrics.ms_ssim(reference, image, border) if large else None,
    )


def mean(records: Iterable[Record]) -> Score:
    """Return the mean of each metric over the images; that of MS-SSIM only if every image has it.

    Raises:
        ValueError: `records` is empty.
    """
    scores = [record.score for record in records]
    if not scores:
        raise ValueError("there are no records to average")
    multi_scale = [score.ms_ssim for score in scores if score.ms_ssim is not None]
    return Score(
        float(np.mean([score.psnr for score in scores])),
        float(np.mean([score.ssim for score in scores])),
        float(np.mean(multi_scale)) if len(multi_scale) == len(scores) else None,
    )
