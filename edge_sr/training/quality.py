"""How good a network is on the images held out, while it is trained."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_sr import metrics
from edge_sr.data.patches import Planes


@dataclass(frozen=True)
class Score:
    """Mean quality over the validation images: PSNR in dB and SSIM on 8-bit values."""

    psnr: float
    ssim: float


def validate(model: Any, validation: Planes, scale: int) -> Score:
    """Mean PSNR and SSIM of a Keras model over planes, as `edge-sr eval` computes them."""
    scores = []
    for low, high in validation:
        image = upscale_plane(model, low)
        scores.append((metrics.psnr(high, image, scale), metrics.ssim(high, image, scale)))
    psnr, ssim = np.mean(scores, axis=0)
    return Score(float(psnr), float(ssim))


def upscale_plane(model: Any, plane: np.ndarray) -> np.ndarray:
    """A uint8 plane (H,W) through a Keras model in [0, 1]; uint8 (sH,sW)."""
    from keras import ops  # PyTorch's tensors need its way back to NumPy

    image = plane[None, :, :, None].astype(np.float32) / 255
    output = ops.convert_to_numpy(model(image, training=False))
    return np.rint(np.clip(output[0, :, :, 0], 0, 1) * 255).astype(np.uint8)
