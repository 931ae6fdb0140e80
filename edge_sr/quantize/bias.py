"""Bias correction, after quantization-aware training.

Rounding shifts the mean of a convolution's output; its bias can compensate. Nagel et al. 2019,
"Data-Free Quantization Through Weight Equalization and Bias Correction",
https://arxiv.org/abs/1906.04721; here the shift is measured on images instead of derived.
"""

import dataclasses
from typing import Any

import numpy as np
import tf_keras

from edge_sr.models import checkpoint as checkpoints
from edge_sr.quantize import network


def correct(quantized: checkpoints.Checkpoint, patches: np.ndarray) -> checkpoints.Checkpoint:
    """The network with biases that give each convolution the mean that it has without rounding.

    Args:
        quantized: an int8 checkpoint.
        patches: uint8 (N,p,p,C), from training images.
    """
    rounded = network.fake_quantized(quantized)
    plain = network.unrounded(quantized)
    images = patches.astype(np.float32) / 255
    names = [layer.name for layer in plain.layers if type(layer).__name__ == "Conv2D"]
    targets = _means(plain, names, images)
    prefixed = [f"{checkpoints.QUANTIZED}{name}" for name in names]
    variables = checkpoints.variables_of(rounded)
    for name, layer in zip(
        names, prefixed, strict=True
    ):  # in order: a layer's input is corrected before it
        mean = _means(rounded, [layer], images)[layer]
        variables[f"{layer}/bias"].assign_add(targets[name] - mean)
    return dataclasses.replace(quantized, weights=checkpoints.weights_of(rounded))


def _means(model: Any, names: list[str], images: np.ndarray) -> dict[str, np.ndarray]:
    """Mean of every channel (C) of these layers' outputs, by layer."""
    probe = tf_keras.Model(model.input, {name: model.get_layer(name).output for name in names})
    outputs = probe(images, training=False)
    return {name: outputs[name].numpy().mean(axis=(0, 1, 2)) for name in names}
