"""Measures a decoded image against its original, as usual and as in the slides."""

from dataclasses import dataclass

import numpy as np

from edge_sr import metrics
from edge_sr.data.colour import luminance

MS_SSIM_SIDE = 161
"""Smallest side of an image for MS-SSIM: five octaves of a window of 11 pixels."""

_LUMA = (65481, 128553, 24966)  # ITU-R BT.601-7, studio range; Y = 16 + this . RGB / 255000


@dataclass(frozen=True)
class Quality:
    """Figures of one image, or their means over several.

    Attributes:
        psnr_y: dB, of BT.601 luma (16..235), peak 255; infinite for identical luma.
        psnr_rgb: dB, of the mean squared error over all samples of all three channels.
        ms_ssim: of luma, 0..1; None where the image is smaller than 161x161.
        slides_psnr: dB, of luma truncated instead of rounded.
        slides_ms_ssim: the mean over R, G and B; None as `ms_ssim`.

    The JPEG files in the slides of TinyCompress show that they measure so: see `search.py`.
    """

    psnr_y: float
    psnr_rgb: float
    ms_ssim: float | None
    slides_psnr: float
    slides_ms_ssim: float | None


def compare(original: np.ndarray, decoded: np.ndarray) -> Quality:
    """Measure a decoded image; no border is cropped.

    Args:
        original: uint8 (H, W) or (H, W, 3).
        decoded: uint8 of the same shape. A gray image counts as three equal channels.

    Raises:
        UserError: the shapes differ, or are not those of images.
    """
    luma, other = luminance(original), luminance(decoded)
    large = min(luma.shape) >= MS_SSIM_SIDE
    return Quality(
        psnr_y=metrics.psnr(luma, other),
        psnr_rgb=metrics.psnr(_side_by_side(original), _side_by_side(decoded)),
        ms_ssim=metrics.ms_ssim(luma, other) if large else None,
        slides_psnr=metrics.psnr(_truncated_luma(original), _truncated_luma(decoded)),
        slides_ms_ssim=_channels_ms_ssim(original, decoded) if large else None,
    )


def _side_by_side(pixels: np.ndarray) -> np.ndarray:
    """Return all channels as one plane (H, W * channels)."""
    return pixels.reshape(len(pixels), -1)


def _truncated_luma(pixels: np.ndarray) -> np.ndarray:
    """Return luma in 16..235, truncated; a gray image stays unchanged."""
    if pixels.ndim == 2:
        return pixels
    return ((pixels @ np.array(_LUMA, np.int32) + 16 * 255_000) // 255_000).astype(np.uint8)


def _channels_ms_ssim(original: np.ndarray, decoded: np.ndarray) -> float:
    if original.ndim == 2:
        return metrics.ms_ssim(original, decoded)
    pairs = zip(np.moveaxis(original, 2, 0), np.moveaxis(decoded, 2, 0), strict=True)
    return float(np.mean([metrics.ms_ssim(*pair) for pair in pairs]))
