"""Starting a compressive autoencoder from a trained one of a smaller size.

The larger network initially computes what the smaller one does (Chen, Goodfellow and Shlens 2016,
"Net2Net: Accelerating Learning via Knowledge Transfer", https://arxiv.org/abs/1511.05641): kernels
that lead from further channels to those of the smaller network are zero, and so are the last
kernels of further residual units. What leads to further channels stays as it was initialized.
"""

from collections.abc import Iterator

import numpy as np

from edge_sr.errors import UserError
from edge_sr.models.cae import COLOURS, CaeConfig
from edge_sr.training.codec_images import RATE_LAYER
from edge_sr.training.rate_model import Rates

Weights = dict[str, np.ndarray]

_SIZES = ("narrow", "wide", "units", "decoder_units")
_BY_QUALITY = ("log_gains", "bias", "out_bias")


def widened(weights: Weights, small: CaeConfig, large: CaeConfig, initial: Weights) -> Weights:
    """The weights of a larger network that computes the same as a smaller one.

    Args:
        weights: of the smaller network; a rate model's are passed through.
        small: its size.
        large: the size of the larger one.
        initial: random weights of the larger one.

    Raises:
        UserError: the other size is smaller in some respect, or has other latents.
    """
    shrinks = [name for name in _SIZES if getattr(large, name) < getattr(small, name)]
    if shrinks or large.channels != small.channels:
        name = shrinks[0] if shrinks else "channels"
        raise UserError(
            f"a network with {name} = {getattr(large, name)} cannot start from one with "
            f"{name} = {getattr(small, name)}"
        )
    result = {n: a for n, a in weights.items() if n.startswith(f"{RATE_LAYER}/")}
    old_layers = {layer: shape for layer, *shape in _convolutions(small)}
    for layer, _, target in _convolutions(large):
        kernel = initial[f"{layer}/kernel"].copy()
        bias = initial[f"{layer}/bias"].copy()
        if layer in old_layers:
            old_source, old_target = old_layers[layer]
            to = _places(old_target, target)
            kernel[..., to] = 0
            kernel[:, :, : old_source[0], to] = weights[f"{layer}/kernel"]
            bias[to] = weights[f"{layer}/bias"]
        elif layer.endswith("_conv2"):
            kernel[:], bias[:] = 0, 0
        result[f"{layer}/kernel"], result[f"{layer}/bias"] = kernel, bias
    for name, alpha in initial.items():
        if name.endswith("/alpha"):
            result[name] = alpha.copy()
            if name in weights:
                result[name][..., : weights[name].shape[-1]] = weights[name]
    return result


def at_qualities(weights: Weights, trained: Rates, rates: Rates) -> Weights:
    """The weights of a rate model for other qualities, between those that it was trained for.

    Args:
        weights: of network and rate model.
        trained: operating points of these.
        rates: the others; beyond the trained ones, the nearest is taken.
    """
    places = np.log(rates.lambdas() / trained.low) / (trained.growth or 1.0)
    places = np.clip(places, 0, trained.qualities - 1)
    listed = np.arange(trained.qualities)
    share = np.maximum(1 - np.abs(places[:, None] - listed), 0).astype(np.float32)
    names = [f"{RATE_LAYER}/{name}" for name in _BY_QUALITY]
    return {n: share @ a if n in names else a for n, a in weights.items()}


def _convolutions(config: CaeConfig) -> Iterator[tuple[str, tuple[int, int], tuple[int, int]]]:
    """Each layer with channels of its input and output, and into how many blocks these are cut."""
    narrow, wide, latents = (config.narrow, 1), (config.wide, 1), (config.channels, 1)
    yield "encoder_conv1", (COLOURS, 1), narrow
    yield "encoder_conv2", narrow, wide
    yield "encoder_conv3", wide, latents
    yield "decoder_conv1", latents, (config.wide, 4)  # depth-to-space follows: four blocks
    yield "decoder_conv2", wide, (config.narrow, 4)
    yield "decoder_conv3", narrow, (COLOURS, 4)
    for part, count in (("encoder", config.units), ("decoder", config.decoder_units)):
        for number in range(1, count + 1):
            for conv in (1, 2):
                yield f"{part}_unit{number}_conv{conv}", wide, wide


def _places(small: tuple[int, int], large: tuple[int, int]) -> np.ndarray:
    """Where the output channels of the smaller network are among those of the larger one."""
    (channels, blocks), width = small, large[0]
    return (np.arange(blocks)[:, None] * width + np.arange(channels)).ravel()
