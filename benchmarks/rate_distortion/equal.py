"""Compares codecs on a set of images at the same bits per pixel.

A codec has settings, such as the quality of a JPEG. The two whose mean bits per pixel enclose a
target are measured, and quality is interpolated between them, linearly in the logarithm of bits per
pixel. Files are only written, not measured, to find the two.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from functools import cache

import numpy as np

from benchmarks.rate_distortion.codecs import Codec
from benchmarks.rate_distortion.quality import Quality
from benchmarks.rate_distortion.records import Log
from benchmarks.rate_distortion.study import ImageFile, Mean, mean, measure
from benchmarks.rate_distortion.survey import Progress
from edge_sr.data.images import read_image


def compare(
    log: Log,
    images: Sequence[ImageFile],
    codecs: Sequence[Codec],
    targets: Sequence[float],
    progress: Progress,
) -> dict[float, dict[str, Quality]]:
    """Return what codecs reach at some bits per pixel; those that cannot are left out.

    Args:
        log: receives the records.
        images: of one set, at least one.
        codecs: to compare.
        targets: bits per pixel, means over the images.
        progress: shows the progress.

    Raises:
        UserError: as `study.measure`.
    """
    rows: dict[float, dict[str, Quality]] = {target: {} for target in targets}
    for codec in codecs:
        scale = _Scale(log, images, codec)
        what = f"{images[0].collection}: {codec.name}"
        for target in progress(targets, what, len(targets)):
            quality = scale.at(target)
            if quality is not None:
                rows[target][codec.name] = quality
    return rows


class _Scale:
    """The settings of a codec by the mean bits per pixel of a set."""

    def __init__(self, log: Log, images: Sequence[ImageFile], codec: Codec) -> None:
        self._log, self._images, self._codec = log, images, codec
        self._bpp = cache(self._mean_bpp)

    def at(self, target: float) -> Quality | None:
        """Return the quality at these bits per pixel; None where no setting has fewer, or more."""
        settings = self._codec.settings
        above = bisect_left(settings, target, key=self._bpp)
        if above == len(settings) or (above == 0 and self._bpp(settings[0]) > target):
            return None
        low, high = (self._mean(settings[index]) for index in (max(above - 1, 0), above))
        return _between(low, high, target)

    def _mean_bpp(self, setting: int) -> float:
        bpp = []
        for image in self._images:
            pixels = read_image(image.path).pixels
            size = self._codec.size(pixels, setting)
            bpp.append(8 * size / (pixels.shape[0] * pixels.shape[1]))
        return float(np.mean(bpp))

    def _mean(self, setting: int) -> Mean:
        each = (measure(self._log, image, self._codec, [setting]) for image in self._images)
        return mean([records[0] for records in each])


def _between(low: Mean, high: Mean, bpp: float) -> Quality:
    """The quality at some bits per pixel between two means."""
    span = math.log(high.bpp / low.bpp)
    share = math.log(bpp / low.bpp) / span if span > 0 else 0.0

    def at(name: str) -> float:
        a, b = getattr(low.quality, name), getattr(high.quality, name)
        return float(a + (b - a) * share)

    with_ms_ssim = None not in (low.quality.ms_ssim, high.quality.ms_ssim)
    return Quality(
        psnr_y=at("psnr_y"),
        psnr_rgb=at("psnr_rgb"),
        ms_ssim=at("ms_ssim") if with_ms_ssim else None,
        slides_psnr=at("slides_psnr"),
        slides_ms_ssim=at("slides_ms_ssim") if with_ms_ssim else None,
    )
