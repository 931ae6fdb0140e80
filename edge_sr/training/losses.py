"""Losses, written with keras.ops: they train models of both Keras namespaces."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_sr.metrics import MS_WEIGHTS, SSIM_WINDOW

Loss = Callable[[Any, Any], Any]


def mae(target: Any, output: Any, weights: Any = 1.0) -> Any:
    """Mean absolute error of (N,H,W,C) tensors, weighted; a scalar."""
    from keras import ops

    return ops.mean(ops.abs(target - output) * weights)


def mse(target: Any, output: Any, weights: Any = 1.0) -> Any:
    """Mean squared error of (N,H,W,C) tensors, weighted; a scalar."""
    from keras import ops

    return ops.mean(ops.square(target - output) * weights)


LUMA = np.array([65.481, 128.553, 24.966], np.float32) / 255  # ITU-R BT.601, studio range


def luma_loss(target: Any, output: Any, weights: Any = 1.0) -> Any:
    """Mean squared error of BT.601 luma of (N,H,W,3) RGB tensors in [0, 1], weighted; a scalar."""
    from keras import ops

    error = ops.sum((target - output) * LUMA, axis=-1, keepdims=True)
    return ops.mean(ops.square(error) * weights)


def ssim_loss(target: Any, output: Any) -> Any:
    """1 - SSIM of (N,H,W,C) tensors in [0, 1], mean over channels; a scalar.

    As tf.image.ssim: 11x11 Gaussian window with sigma 1.5, valid positions only, K1 0.01, K2 0.03
    (Wang et al. 2004, https://doi.org/10.1109/TIP.2003.819861).
    """
    from keras import ops

    luminance, structure = _similarity(_planes(target), _planes(output))
    return 1 - ops.mean(luminance * structure)


def ms_ssim_loss(target: Any, output: Any) -> Any:
    """1 - MS-SSIM of (N,H,W,C) tensors in [0, 1], mean over channels; (N,).

    As `metrics.ms_ssim`, with as many of its five octaves as the size allows; the weights of fewer
    octaves are scaled to the same sum.
    """
    from keras import ops

    sides = output.shape[1:3]
    octaves = [o for o in range(len(MS_WEIGHTS)) if min(sides) > (SSIM_WINDOW - 1) * 2**o]
    weights = np.array(MS_WEIGHTS)[octaves]
    weights = weights * sum(MS_WEIGHTS) / weights.sum()
    channels = output.shape[-1]
    target, output = _planes(target), _planes(output)
    product: Any = 1.0
    for octave, weight in zip(octaves, weights, strict=True):
        luminance, structure = _similarity(target, output)
        if octave == octaves[-1]:
            structure = luminance * structure
        mean = ops.mean(structure, axis=(1, 2, 3))
        product = product * ops.power(ops.maximum(mean, 1e-6), float(weight))
        target, output = _halved(target), _halved(output)
    return 1 - ops.mean(ops.reshape(product, (channels, -1)), axis=0)


def _halved(planes: Any) -> Any:
    """Means of 2x2 pixels; an odd last row or column is repeated."""
    from keras import ops

    odd = [size % 2 for size in planes.shape[1:3]]
    if any(odd):
        planes = ops.pad(planes, [(0, 0), (0, odd[0]), (0, odd[1]), (0, 0)], mode="symmetric")
    return ops.average_pool(planes, 2, 2)


def _similarity(target: Any, output: Any) -> tuple[Any, Any]:
    """Maps of SSIM's luminance and of its contrast and structure, of (N,H,W,1)."""
    from keras import ops

    maps = [target, output, target * target, output * output, target * output]
    blurred = ops.split(_blur(ops.concatenate(maps)), len(maps))
    mean_t, mean_o = blurred[:2]
    var_t, var_o = blurred[2] - ops.square(mean_t), blurred[3] - ops.square(mean_o)
    covariance = blurred[4] - mean_t * mean_o
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_t * mean_o + c1) / (ops.square(mean_t) + ops.square(mean_o) + c1)
    structure = (2 * covariance + c2) / (var_t + var_o + c2)
    return luminance, structure


def _planes(images: Any) -> Any:
    """(N,H,W,C) as (C*N,H,W,1)."""
    from keras import ops

    channels = images.shape[-1]
    return images if channels == 1 else ops.concatenate(ops.split(images, channels, axis=-1))


def _blur(images: Any) -> Any:
    """Convolve with the Gaussian window by axes: 22 multiplications a pixel instead of 121."""
    from keras import ops

    offsets = np.arange(11) - 5
    line = np.exp(-(offsets**2) / (2 * 1.5**2))
    line = (line / line.sum()).astype(np.float32)
    down = ops.conv(images, line[:, None, None, None], padding="valid")
    return ops.conv(down, line[None, :, None, None], padding="valid")


@dataclass(frozen=True)
class Border:
    """The pixels along a patch's edges, where a network sees padding instead of the image.

    They are nearly half of a small patch, but hardly any of a photograph: a smaller weight in the
    loss corrects that.

    Attributes:
        width: of the border, in high-resolution pixels.
        weight: of its pixels; those inside have 1.
    """

    width: int = 0
    weight: float = 1.0

    def weights(self, height: int, width: int) -> np.ndarray:
        """Weights (1,height,width,1), float32, of mean 1."""
        weights = np.full((1, height, width, 1), self.weight, np.float32)
        inside = slice(self.width, -self.width or None)
        weights[:, inside, inside] = 1
        return weights / weights.mean(dtype=np.float64).astype(np.float32)

    def inside(self, images: Any) -> Any:
        """Images (N,H,W,C) without the border."""
        inside = slice(self.width, -self.width or None)
        return images[:, inside, inside]


def weighted_sum(terms: Mapping[str, float], border: Border = Border()) -> Loss:
    """The weighted sum of losses by name.

    Args:
        terms: weights of "mae", "mse", "luma" (with the border's weight), "ssim" and "ms_ssim"
            (inside it).
        border: of the patches.
    """

    def loss(target: Any, output: Any) -> Any:
        from keras import ops

        height, width = output.shape[1:3]
        pixels = border.weights(height, width)
        total = 0.0
        for name, weight in terms.items():
            if name == "ssim":
                term = ssim_loss(border.inside(target), border.inside(output))
            elif name == "ms_ssim":
                term = ops.mean(ms_ssim_loss(border.inside(target), border.inside(output)))
            else:
                term = {"mae": mae, "mse": mse, "luma": luma_loss}[name](target, output, pixels)
            total = total + float(weight) * term
        return total

    return loss


def distortion(terms: Mapping[str, float], border: Border = Border()) -> Loss:
    """The weighted sum of losses by name, of each image of a batch: (N,).

    Args:
        terms: weights of "mae", "mse", "luma" (with the border's weight) and "ms_ssim" (inside it).
        border: of the patches.
    """

    def loss(target: Any, output: Any) -> Any:
        from keras import ops

        error = target - output
        maps = {
            "mae": lambda: ops.abs(error),
            "mse": lambda: ops.square(error),
            "luma": lambda: ops.square(ops.sum(error * LUMA, axis=-1, keepdims=True)),
        }
        pixels = border.weights(*output.shape[1:3])
        total = 0.0
        for name, weight in terms.items():
            if name == "ms_ssim":
                term = ms_ssim_loss(border.inside(target), border.inside(output))
            else:
                term = ops.mean(maps[name]() * pixels, axis=(1, 2, 3))
            total = total + float(weight) * term
        return total

    return loss
