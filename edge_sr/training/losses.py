"""Losses, written with keras.ops: they train a model of either Keras namespace."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

Loss = Callable[[Any, Any], Any]


def mae(target: Any, output: Any) -> Any:
    """Mean absolute error of (N,H,W,1) tensors; a scalar."""
    from keras import ops

    return ops.mean(ops.abs(target - output))


def mse(target: Any, output: Any) -> Any:
    """Mean squared error of (N,H,W,1) tensors; a scalar."""
    from keras import ops

    return ops.mean(ops.square(target - output))


def ssim_loss(target: Any, output: Any) -> Any:
    """1 - SSIM (Wang et al. 2004) of (N,H,W,1) tensors in [0, 1]; a scalar.

    Gaussian window of 11 with sigma 1.5, valid positions only, K1 0.01, K2 0.03: what
    tf.image.ssim computes.
    """
    from keras import ops

    window = ops.convert_to_tensor(_gaussian_window())
    blur = partial(ops.conv, kernel=window, padding="valid")
    mean_t, mean_o = blur(target), blur(output)
    var_t = blur(ops.square(target)) - ops.square(mean_t)
    var_o = blur(ops.square(output)) - ops.square(mean_o)
    covariance = blur(target * output) - mean_t * mean_o
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_t * mean_o + c1) / (ops.square(mean_t) + ops.square(mean_o) + c1)
    structure = (2 * covariance + c2) / (var_t + var_o + c2)
    return 1 - ops.mean(luminance * structure)


def _gaussian_window() -> np.ndarray:
    offsets = np.arange(11) - 5
    line = np.exp(-(offsets**2) / (2 * 1.5**2))
    line /= line.sum()
    return np.outer(line, line).astype(np.float32)[:, :, None, None]


_TERMS: dict[str, Loss] = {"mae": mae, "mse": mse, "ssim": ssim_loss}


def mixture(weights: Mapping[str, float]) -> Loss:
    """The weighted sum of losses by name: "mae", "mse", "ssim"."""
    terms = [(float(weight), _TERMS[name]) for name, weight in weights.items()]

    def loss(target: Any, output: Any) -> Any:
        return sum(weight * term(target, output) for weight, term in terms)

    return loss
