"""Gain of the last convolution, fitted after tuning.

A network without anchor hands the image's brightness on through every rounded kernel, and a gain
that is wrong by a few thousandths is an error everywhere. Scaling all of a filter changes its step
but none of its integers, so that the gain of the last convolution can be set freely.
"""

import dataclasses
from typing import Any

import numpy as np
import tf_keras

from edge_sr.models import checkpoint as checkpoints
from edge_sr.quantize import network

_RIM = 8  # low-resolution pixels along a patch's edges that may see padding; they are left out


def fit_gain(
    tuned: checkpoints.Checkpoint, low: np.ndarray, high: np.ndarray
) -> checkpoints.Checkpoint:
    """The tuned network with gains and biases of its last convolution fitted by least squares.

    Whatever is added to that convolution stays as it is; clipped values do not count. A network
    that has more than additions between that convolution and a last depth-to-space is left alone.

    Args:
        tuned: a tuned checkpoint.
        low: uint8 (N,p,p,C), from training images.
        high: uint8 (N,sp,sp,C), what they should become.
    """
    model = network.fake_quantized(tuned)
    last = max(n for n, layer in enumerate(model.layers) if _kind(layer) == "Conv2D")
    behind = [_kind(layer) for layer in model.layers[last + 1 :]]
    if behind[-1:] != ["DepthToSpace"] or not {*behind[:-1]} <= {"Add", "Concatenate", "ReLU"}:
        return tuned
    name = model.layers[last].name
    found, output = _before_shuffle(model, name, low)
    wanted = _to_depth(high.astype(np.float32) / 255, output.shape[1]) - output + found
    rim = min(_RIM, low.shape[1] // 4) * output.shape[1] // low.shape[1]
    inside = (slice(None), slice(rim, -rim), slice(rim, -rim))
    variables = checkpoints.variables_of(model)
    kernel, bias = (variables[f"{name}/{part}"] for part in ("kernel", "bias"))
    gains, offsets = np.ones(output.shape[3]), np.zeros(output.shape[3])
    for channel in range(output.shape[3]):
        counted = output[inside][..., channel] > 0
        x, y = (values[inside][..., channel][counted] for values in (found, wanted))
        if x.size and np.ptp(x) > 0:  # else the channel is dead, and tells nothing
            gains[channel], offsets[channel] = np.polyfit(x.astype(np.float64), y, 1)
    kernel.assign(kernel.numpy() * gains)
    bias.assign(bias.numpy() * gains + offsets)
    return dataclasses.replace(tuned, weights=checkpoints.weights_of(model))


def _kind(layer: Any) -> str:
    return type(getattr(layer, "layer", layer)).__name__


def _before_shuffle(model: Any, name: str, low: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What that layer gives, and what goes into the last one: float32 (N,H,W,C)."""
    probe = tf_keras.Model(model.input, [model.get_layer(name).output, model.layers[-1].input])
    parts = [
        probe(low[start : start + 64].astype(np.float32) / 255, training=False)
        for start in range(0, len(low), 64)
    ]
    found, output = (np.concatenate([part[i].numpy() for part in parts]) for i in (0, 1))
    return found, output


def _to_depth(images: np.ndarray, side: int) -> np.ndarray:
    """(N,H,W,C) to (N,side,side,block*block*C), the inverse of depth-to-space."""
    block, channels = images.shape[1] // side, images.shape[3]
    split = images.reshape(len(images), side, block, side, block, channels)
    moved = split.transpose(0, 1, 3, 2, 4, 5)
    return moved.reshape(len(images), side, side, block * block * channels)
