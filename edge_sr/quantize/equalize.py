"""Cross-layer equalization of channel ranges, before quantization-aware training.

Activations have one scale for all channels, so a channel with small values is rounded coarsely.
Between two convolutions with a PReLU, a channel can be scaled up and the next kernel down, and the
network still computes the same. Nagel et al. 2019, "Data-Free Quantization Through Weight
Equalization and Bias Correction", https://arxiv.org/abs/1906.04721.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tf_keras

from edge_sr.models import checkpoint as checkpoints
from edge_sr.models.reparam import fold


def equalize(checkpoint: checkpoints.Checkpoint, patches: np.ndarray) -> checkpoints.Checkpoint:
    """The same network, folded, with channels of more equal ranges.

    A channel's factor makes its share of the activation's range equal to its share of the range of
    the next kernel's output channels.

    Args:
        checkpoint: a float one.
        patches: uint8 (N,p,p,C), from training images.
    """
    model = checkpoints.build_model(checkpoint, tf_keras)
    weights = fold(checkpoint.weights)
    triples = list(chains(model))
    if triples:
        probe = tf_keras.Model(
            model.input, {prelu: model.get_layer(prelu).output for _, prelu, _ in triples}
        )
        outputs = probe(patches.astype(np.float32) / 255)
        reaches = {prelu: np.abs(outputs[prelu]).max(axis=(0, 1, 2)) for _, prelu, _ in triples}
        weights = balanced(weights, triples, reaches)
    return dataclasses.replace(checkpoint, config=checkpoint.config.folded, weights=weights)


def balanced(
    weights: dict[str, np.ndarray],
    triples: Iterable[tuple[str, str, str]],
    reaches: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Weights that compute the same, with channels of more equal ranges.

    Args:
        weights: of plain convolutions, by name.
        triples: from `chains`.
        reaches: by PReLU, the largest magnitude of each channel (C).
    """
    weights = dict(weights)
    for first, prelu, second in triples:
        kernel = np.abs(weights[f"{second}/kernel"])
        share = (kernel / np.maximum(kernel.max(axis=(0, 1, 2)), 1e-12)).max(axis=(0, 1, 3))
        factors = np.sqrt(np.maximum(reaches[prelu], 1e-6) / np.maximum(share, 1e-6))
        factors = (factors / np.exp(np.log(factors).mean())).astype(np.float32)
        weights[f"{first}/kernel"] = weights[f"{first}/kernel"] / factors
        weights[f"{first}/bias"] = weights[f"{first}/bias"] / factors
        weights[f"{second}/kernel"] = weights[f"{second}/kernel"] * factors[:, None]
    return weights


def chains(model: Any) -> Iterator[tuple[str, str, str]]:
    """Names of consecutive (convolution, PReLU, convolution) whose values nothing else reads."""
    for layer in model.layers:
        prelu = _only_reader(layer, "PReLU")
        second = prelu and _only_reader(prelu, "Conv2D")
        if type(layer).__name__ == "Conv2D" and second:
            yield layer.name, prelu.name, second.name


def _only_reader(layer: Any, kind: str) -> Any:
    readers = [node.outbound_layer for node in layer.outbound_nodes]
    return readers[0] if [type(reader).__name__ for reader in readers] == [kind] else None
