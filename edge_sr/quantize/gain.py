"""Gain of the last convolution, fitted after quantization-aware training.

In a network without anchor the image's brightness passes through every rounded kernel, and a gain
that is off by a few thousandths is an error everywhere. Scaling a whole filter changes its scale
but none of its integers, so the gain of the last convolution can be set freely.
"""

import dataclasses
from typing import Any

import numpy as np
import tf_keras

from edge_sr.models import checkpoint as checkpoints
from edge_sr.quantize import network

_BORDER = 8  # low-resolution pixels along a patch's edges that may see padding: not fitted


def fit_gain(
    quantized: checkpoints.Checkpoint, low: np.ndarray, high: np.ndarray
) -> checkpoints.Checkpoint:
    """The network with gains and biases of its last convolution fitted by least squares.

    Tensors that are added to that convolution's output are unchanged; clipped values do not count.
    A network with other layers than additions between that convolution and a final depth-to-space
    is returned unchanged.

    Args:
        quantized: an int8 checkpoint.
        low: uint8 (N,p,p,C), from training images.
        high: uint8 (N,sp,sp,C), the targets.
    """
    model = network.fake_quantized(quantized)
    last = max(n for n, layer in enumerate(model.layers) if _kind(layer) == "Conv2D")
    behind = [_kind(layer) for layer in model.layers[last + 1 :]]
    if behind[-1:] != ["DepthToSpace"] or not {*behind[:-1]} <= {"Add", "Concatenate", "ReLU"}:
        return quantized
    name = model.layers[last].name
    values, output = _before_shuffle(model, name, low)
    targets = _to_depth(high.astype(np.float32) / 255, output.shape[1]) - output + values
    border = min(_BORDER, low.shape[1] // 4) * output.shape[1] // low.shape[1]
    inside = (slice(None), slice(border, -border), slice(border, -border))
    variables = checkpoints.variables_of(model)
    kernel, bias = (variables[f"{name}/{part}"] for part in ("kernel", "bias"))
    gains, offsets = np.ones(output.shape[3]), np.zeros(output.shape[3])
    for channel in range(output.shape[3]):
        counted = output[inside][..., channel] > 0
        x, y = (each[inside][..., channel][counted] for each in (values, targets))
        if x.size and np.ptp(x) > 0:  # else the channel is constant, and there is nothing to fit
            gains[channel], offsets[channel] = np.polyfit(x.astype(np.float64), y, 1)
    kernel.assign(kernel.numpy() * gains)
    bias.assign(bias.numpy() * gains + offsets)
    return dataclasses.replace(quantized, weights=checkpoints.weights_of(model))


def _kind(layer: Any) -> str:
    return type(getattr(layer, "layer", layer)).__name__


def _before_shuffle(model: Any, name: str, low: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The output of that layer, and the input of the last one: float32 (N,H,W,C)."""
    probe = tf_keras.Model(model.input, [model.get_layer(name).output, model.layers[-1].input])
    parts = [
        probe(low[start : start + 64].astype(np.float32) / 255, training=False)
        for start in range(0, len(low), 64)
    ]
    values, output = (np.concatenate([part[i].numpy() for part in parts]) for i in (0, 1))
    return values, output


def _to_depth(images: np.ndarray, side: int) -> np.ndarray:
    """(N,H,W,C) to (N,side,side,block*block*C), the inverse of depth-to-space."""
    block, channels = images.shape[1] // side, images.shape[3]
    split = images.reshape(len(images), side, block, side, block, channels)
    moved = split.transpose(0, 1, 3, 2, 4, 5)
    return moved.reshape(len(images), side, side, block * block * channels)
