"""Correction of biases, after tuning.

Rounding shifts the mean of what a convolution gives; the bias can take that back (Nagel et al.
2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", measured on images
instead of derived).
"""

import dataclasses
from typing import Any

import numpy as np
import tf_keras

from edge_sr.models import checkpoint as checkpoints
from edge_sr.quantize import network


def correct(tuned: checkpoints.Checkpoint, patches: np.ndarray) -> checkpoints.Checkpoint:
    """The tuned network with biases that give each convolution the mean it has without rounding.

    Args:
        tuned: a tuned checkpoint.
        patches: uint8 (N,p,p,C), from training images.
    """
    rounded = network.fake_quantized(tuned)
    plain = network.unrounded(tuned)
    images = patches.astype(np.float32) / 255
    names = [layer.name for layer in plain.layers if type(layer).__name__ == "Conv2D"]
    wanted = _means(plain, names, images)
    prefixed = [f"{checkpoints.QUANTIZED}{name}" for name in names]
    variables = checkpoints.variables_of(rounded)
    for name, layer in zip(names, prefixed, strict=True):  # in order: each sees those before it
        found = _means(rounded, [layer], images)[layer]
        variables[f"{layer}/bias"].assign_add(wanted[name] - found)
    return dataclasses.replace(tuned, weights=checkpoints.weights_of(rounded))


def _means(model: Any, names: list[str], images: np.ndarray) -> dict[str, np.ndarray]:
    """Mean of every channel (C) of the outputs of these layers."""
    probe = tf_keras.Model(model.input, {name: model.get_layer(name).output for name in names})
    outputs = probe(images, training=False)
    return {name: outputs[name].numpy().mean(axis=(0, 1, 2)) for name in names}
