"""The compressive autoencoder: a picture to C channels at an eighth of its size, and back.

The encoder is that of L. Theis, W. Shi, A. Cunningham, F. Huszar, "Lossy Image Compression with
Compressive Autoencoders" (ICLR 2017, https://arxiv.org/abs/1703.00395) as E. Agustsson et al. 2017
(https://arxiv.org/abs/1704.00648) and R. Torfason et al., "Towards Image Understanding from Deep
Compression without Decoding" (ICLR 2018, https://arxiv.org/abs/1803.06131) lay it out; the decoder
enlarges by depth-to-space, as Theis et al. do. NHWC, RGB in [0, 1]:

    encoder  (N,H,W,3) - conv 5x5/2, w1 - PReLU - conv 5x5/2, w2 - PReLU
             - n residual units - conv 5x5/2, C - latents (N,H/8,W/8,C)
    decoder  latents - conv 3x3, 4*w2 - depth-to-space 2 - PReLU - m residual units
             - conv 3x3, 4*w1 - depth-to-space 2 - PReLU - conv 3x3, 12 - depth-to-space 2
             - (N,H,W,3)
    residual unit, w2 channels:  x + conv 3x3 - PReLU - conv 3x3

Latents have no range of their own: one step of the quantizer is 1 (see `training.rate_model`).

Deviations: PReLU (one alpha per channel) instead of batch normalization and ReLU, which a network
of this size does not need; widths and units are those of the config. `PAPER` has the published
ones.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_sr.errors import UserError
from edge_sr.models import activations, layers
from edge_sr.models.registry import LayerCounts, ModelConfig, register

COLOURS = 3
STEP = 8
"""Image pixels per latent sample along each axis."""

PARTS = ("encoder", "decoder")
MAX_CHANNELS, MAX_WIDTH, MAX_UNITS = 64, 256, 16

_PAPER = (
    "Theis et al., Lossy Image Compression with Compressive Autoencoders, ICLR 2017, "
    "https://arxiv.org/abs/1703.00395"
)


@dataclass(frozen=True)
class CaeConfig(ModelConfig):
    """Configuration of a compressive autoencoder.

    Attributes:
        scale: 1, as the decoded image has the size of the original.
        channels: C, of the latents, 1 to 64.
        narrow: w1, channels at half the size, 1 to 256.
        wide: w2, channels at a quarter of the size, 1 to 256.
        units: residual units of the encoder, 0 to 16.
        decoder_units: residual units of the decoder, 0 to 16.
    """

    scale: int = 1
    channels: int = 32
    narrow: int = 16
    wide: int = 32
    units: int = 2
    decoder_units: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, low, high in (
            ("channels", 1, MAX_CHANNELS),
            ("narrow", 1, MAX_WIDTH),
            ("wide", 1, MAX_WIDTH),
            ("units", 0, MAX_UNITS),
            ("decoder_units", 0, MAX_UNITS),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise UserError(f"cae has {low} to {high} {name}, not {value}")


def paper(channels: int) -> CaeConfig:
    """The published size (64 and 128 channels, 3 units), with C = 8, 16 or 32 in the paper."""
    return CaeConfig(channels=channels, narrow=64, wide=128, units=3, decoder_units=3)


def part_of(weights: dict[str, np.ndarray], part: str) -> dict[str, np.ndarray]:
    """Those weights that are the encoder's or the decoder's."""
    return {name: array for name, array in weights.items() if name.startswith(f"{part}_")}


def _conv(keras: Any, filters: int, kernel: int, name: str, stride: int = 1) -> Any:
    return keras.layers.Conv2D(filters, kernel, stride, padding="same", name=name)


def _units(config: CaeConfig, keras: Any, x: Any, part: str, count: int) -> Any:
    for number in range(1, count + 1):
        name = f"{part}_unit{number}"
        y = _conv(keras, config.wide, 3, f"{name}_conv1")(x)
        y = activations.prelu(keras, f"{name}_prelu")(y)
        y = _conv(keras, config.wide, 3, f"{name}_conv2")(y)
        x = keras.layers.Add(name=f"{name}_add")([x, y])
    return x


def encode(config: CaeConfig, keras: Any, image: Any) -> Any:
    """Latents (N,H/8,W/8,C) of an image tensor (N,H,W,3); sides are multiples of 8."""
    x = image
    for number, filters in ((1, config.narrow), (2, config.wide)):
        x = _conv(keras, filters, 5, f"encoder_conv{number}", 2)(x)
        x = activations.prelu(keras, f"encoder_prelu{number}")(x)
    x = _units(config, keras, x, "encoder", config.units)
    return _conv(keras, config.channels, 5, "encoder_conv3", 2)(x)


def decode(config: CaeConfig, keras: Any, latents: Any) -> Any:
    """The image tensor (N,8h,8w,3), about [0, 1], of latents (N,h,w,C)."""
    x = latents
    for number, filters in ((1, config.wide), (2, config.narrow)):
        x = _conv(keras, 4 * filters, 3, f"decoder_conv{number}")(x)
        x = layers.depth_to_space(keras, 2, f"decoder_shuffle{number}")(x)
        x = activations.prelu(keras, f"decoder_prelu{number}")(x)
        if number == 1:
            x = _units(config, keras, x, "decoder", config.decoder_units)
    x = _conv(keras, 4 * COLOURS, 3, "decoder_conv3")(x)
    return layers.depth_to_space(keras, 2, "decoder_shuffle3")(x)


def with_bottleneck(config: CaeConfig, keras: Any, layer: Any, model_type: Any) -> Any:
    """A model of the given class with a layer between encoder and decoder.

    Args:
        config: of the network.
        keras: the namespace.
        layer: latents to quantized ones, bits per pixel (N,) and qualities (N,).
        model_type: a class of Keras models.

    Returns:
        (N,H,W,3) to a dictionary of image, bits and quality.
    """
    image = keras.layers.Input((None, None, COLOURS), name="image")
    latents, bits, quality = layer(encode(config, keras, image))
    decoded = decode(config, keras, latents)
    return model_type(image, {"image": decoded, "bits": bits, "quality": quality})


def _counts(config: CaeConfig) -> dict[str, LayerCounts]:
    """Parameters of the layers, by part, as the layer table above gives them."""
    narrow, wide, units = config.narrow, config.wide, config.decoder_units

    def conv(kernel: int, source: int, filters: int) -> tuple[str, int]:
        return f"conv {kernel}x{kernel}x{filters}", (kernel**2 * source + 1) * filters

    unit = (conv(3, wide, wide), ("prelu", wide), conv(3, wide, wide))
    shuffle = ("pixel shuffle up", 0)
    return {
        "encoder": (
            *(conv(5, COLOURS, narrow), ("prelu", narrow)),
            *(conv(5, narrow, wide), ("prelu", wide)),
            *(config.units * unit),
            conv(5, wide, config.channels),
        ),
        "decoder": (
            *(conv(3, config.channels, 4 * wide), shuffle, ("prelu", wide)),
            *(units * unit),
            *(conv(3, wide, 4 * narrow), shuffle, ("prelu", narrow)),
            *(conv(3, narrow, 4 * COLOURS), shuffle),
        ),
    }


_TINY = _counts(CaeConfig())


@register("cae", CaeConfig, _PAPER, {1: (*_TINY["encoder"], *_TINY["decoder"])}, "codec", COLOURS)
def build_cae(config: CaeConfig, keras: Any) -> Any:
    """Encoder and decoder: (N,H,W,3) in [0, 1] to (N,H,W,3); sides are multiples of 8."""
    image = keras.layers.Input((None, None, COLOURS), name="image")
    decoded = decode(config, keras, encode(config, keras, image))
    return keras.Model(image, decoded, name="codec")


@register("cae-encoder", CaeConfig, _PAPER, {1: _TINY["encoder"]}, "codec", COLOURS)
def build_encoder(config: CaeConfig, keras: Any) -> Any:
    """The encoder: (N,H,W,3) in [0, 1] to latents (N,H/8,W/8,C); sides are multiples of 8."""
    image = keras.layers.Input((None, None, COLOURS), name="image")
    return keras.Model(image, encode(config, keras, image), name="encoder")


@register("cae-decoder", CaeConfig, _PAPER, {1: _TINY["decoder"]}, "codec", COLOURS)
def build_decoder(config: CaeConfig, keras: Any) -> Any:
    """The decoder: latents (N,h,w,C) to (N,8h,8w,3), about [0, 1]."""
    latents = keras.layers.Input((None, None, config.channels), name="latents")
    return keras.Model(latents, decode(config, keras, latents), name="decoder")
