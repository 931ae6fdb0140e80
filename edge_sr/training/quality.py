"""Validation while a network trains: its quality on the images held out."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from edge_sr import metrics
from edge_sr.data.colour import luminance
from edge_sr.data.patches import Planes


class RatePoint(NamedTuple):
    """Mean bits per pixel, and PSNR of RGB and of luma in dB, at one quality of a codec."""

    bpp: float
    psnr: float
    psnr_y: float


@dataclass(frozen=True)
class Score:
    """Mean quality over the validation images: PSNR in dB and SSIM on 8-bit values.

    Attributes:
        psnr: in dB.
        ssim: of luma.
        rates: of each quality of a codec that has several.
    """

    psnr: float
    ssim: float
    rates: tuple[RatePoint, ...] = ()


def validate(model: Any, validation: Planes, scale: int) -> Score:
    """Mean PSNR and SSIM of a Keras model, as `edge-sr eval` computes them.

    Args:
        model: (N,h,w,1) or (N,h,w,3) in [0, 1].
        validation: pairs of uint8 input, (h,w) or (h,w,3), and luminance of the original.
        scale: the factor, and the width of the border that is cropped.
    """
    scores = []
    for low, high in validation:
        image = luminance(upscale_plane(model, low))
        scores.append((metrics.psnr(high, image, scale), metrics.ssim(high, image, scale)))
    psnr, ssim = np.mean(scores, axis=0)
    return Score(float(psnr), float(ssim))


def upscale_plane(model: Any, plane: np.ndarray) -> np.ndarray:
    """Upscale a uint8 plane (H,W) or image (H,W,3) by a Keras model; uint8 (sH,sW) or (sH,sW,3)."""
    from keras import ops  # converts PyTorch's tensors to NumPy as well

    image = plane.reshape(1, *plane.shape[:2], -1).astype(np.float32) / 255
    output = ops.convert_to_numpy(model(image, training=False))[0]
    output = output.reshape(*output.shape[:2], *plane.shape[2:])
    return np.rint(np.clip(output, 0, 1) * 255).astype(np.uint8)
