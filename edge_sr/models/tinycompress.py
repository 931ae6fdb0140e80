"""TinyCompress: an autoencoder that compresses by 4, 16, 64 or 256.

N. Chiapputo, C. P. Bailey, "Efficient Convolutional Neural Networks in Image Processing
Applications", slides, University of North Texas (not online as a paper). NHWC, RGB in [0, 1]:

    encoder block  (N,H,W,3) - conv 9x9,15 - PReLU - conv 1x1,3 - PReLU - space-to-depth 2
                   - conv 3x3,15 - PReLU - conv 1x1,3 - PReLU - (N,H/2,W/2,3)
    decoder block  (N,h,w,3) - conv 3x3,12 - PReLU - depth-to-space 2 - conv 5x5,9 - PReLU
                   - conv 1x1,3 - sigmoid - (N,2h,2w,3)

    image - n times encoder block - latents (N,H/2^n,W/2^n,3) - n times decoder block - image

A rate of 4^n applies each block in n iterations, with the same weights. Convolutions are
zero-padded to keep the size, and PReLU has one alpha per channel, as the published counts prove.

Deviation from the slides: the encoder block's output is clipped to [0, 1] in every iteration. The
slides clip or normalize the latents when they quantize them; here training takes the clipping into
account, and int8 needs one range for all iterations.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from edge_sr.errors import UserError
from edge_sr.models import activations, layers, reparam
from edge_sr.models.registry import LayerCounts, ModelConfig, register

CHANNELS = 3
RATES = (4, 16, 64, 256)
"""Image pixels per sample of a latent channel."""

PARTS = ("encoder", "decoder")

_PAPER = "Chiapputo & Bailey, Efficient CNNs in Image Processing Applications (TinyCompress)"

_ENCODER: LayerCounts = (
    ("conv 9x9x15", 3660),
    ("prelu", 15),
    ("conv 1x1x3", 48),
    ("prelu", 3),
    ("pixel shuffle down", 0),
    ("conv 3x3x15", 1635),
    ("prelu", 15),
    ("conv 1x1x3", 48),
    ("prelu", 3),
)
_DECODER: LayerCounts = (
    ("conv 3x3x12", 336),
    ("prelu", 12),
    ("pixel shuffle up", 0),
    ("conv 5x5x9", 684),
    ("prelu", 9),
    ("conv 1x1x3", 30),
    ("sigmoid", 0),
)

_INIT_SCALE = 0.3  # with more, a block that is applied twice loses the image


@dataclass(frozen=True)
class CodecConfig(ModelConfig):
    """Configuration of a codec.

    Attributes:
        scale: 1, as the decoded image has the size of the original.
        rate: image pixels per sample of a latent channel: 4, 16, 64 or 256.
        clip: 1 to clip the encoder block's output to [0, 1], 0 for the network as published.
    """

    scale: int = 1
    rate: int = 4
    clip: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rate not in RATES:
            rates = ", ".join(map(str, RATES))
            raise UserError(f"TinyCompress has no rate {self.rate}; it has {rates}")

    @property
    def iterations(self) -> int:
        """How often each block is applied."""
        return round(math.log(self.rate, 4))


def block(config: ModelConfig, keras: Any, part: str) -> list[Any]:
    """The layers of the encoder's or the decoder's block, to be applied in order."""
    return (_encoder_block if part == "encoder" else _decoder_block)(config, keras)


def _encoder_block(config: ModelConfig, keras: Any) -> list[Any]:
    conv = partial(reparam.conv2d, keras, config, init_scale=_INIT_SCALE)
    # Initially the block gives the mean colour of each 2x2 pixels.
    same, mean = np.eye(CHANNELS), np.tile(np.eye(CHANNELS) / 4, (4, 1))
    block = []
    for number, (filters, kernel, identity) in enumerate(
        ((15, 9, same), (3, 1, same), (15, 3, mean), (3, 1, same)), start=1
    ):
        name = f"encoder_conv{number}"
        block.append(conv(filters, kernel, name, identity_init=identity))
        block.append(activations.prelu(keras, f"encoder_prelu{number}"))
        if number == 2:
            block.append(layers.space_to_depth(keras, 2, "encoder_shuffle"))
    return block


def _decoder_block(config: ModelConfig, keras: Any) -> list[Any]:
    conv = partial(reparam.conv2d, keras, config, init_scale=_INIT_SCALE)
    # Initially the block repeats its pixels, as far as the sigmoid, which is x near 1/2, allows.
    same, four = np.eye(CHANNELS), np.tile(np.eye(CHANNELS), (1, 4))
    return [
        conv(12, 3, "decoder_conv1", identity_init=four),
        activations.prelu(keras, "decoder_prelu1"),
        layers.depth_to_space(keras, 2, "decoder_shuffle"),
        conv(9, 5, "decoder_conv2", identity_init=same),
        activations.prelu(keras, "decoder_prelu2"),
        conv(3, 1, "decoder_conv3", identity_init=4 * same, bias_init=-2.0),
        keras.layers.Activation("sigmoid", name="decoder_sigmoid"),
    ]


def _iterate(config: CodecConfig, keras: Any, part: str, x: Any) -> Any:
    """Apply the encoder's or the decoder's block as often as the rate asks for."""
    layers_of_block = block(config, keras, part)
    if part == "encoder" and config.clip:
        layers_of_block.append(activations.unit_clip(keras, "encoder_clip"))
    for _ in range(config.iterations):
        for layer in layers_of_block:
            x = layer(x)
    return x


def autoencoder(config: CodecConfig, keras: Any, bottleneck: Any = None) -> Any:
    """Encoder and decoder in one model, (N,H,W,3) to (N,H,W,3).

    Args:
        config: of the codec.
        keras: the namespace.
        bottleneck: a layer between the two while training, or None.
    """
    image = keras.layers.Input((None, None, CHANNELS), name="image")
    latents = _iterate(config, keras, "encoder", image)
    if bottleneck is not None:
        latents = bottleneck(latents)
    return keras.Model(image, _iterate(config, keras, "decoder", latents), name="codec")


def _build_part(config: CodecConfig, keras: Any, part: str) -> Any:
    source = keras.layers.Input((None, None, CHANNELS), name="image")
    return keras.Model(source, _iterate(config, keras, part, source), name=part)


def part_of(weights: dict[str, np.ndarray], part: str) -> dict[str, np.ndarray]:
    """Those weights that are the encoder's or the decoder's."""
    return {name: array for name, array in weights.items() if name.startswith(f"{part}_")}


@register("tinycompress", CodecConfig, _PAPER, {1: (*_ENCODER, *_DECODER)}, "codec", CHANNELS)
def build_tinycompress(config: CodecConfig, keras: Any) -> Any:
    """TinyCompress, encoder and decoder: (N,H,W,3) in [0, 1] to (N,H,W,3) in [0, 1].

    Height and width are multiples of 2^iterations.
    """
    return autoencoder(config, keras)


@register("tinycompress-encoder", CodecConfig, _PAPER, {1: _ENCODER}, "codec", CHANNELS)
def build_encoder(config: CodecConfig, keras: Any) -> Any:
    """The encoder: (N,H,W,3) in [0, 1] to latents (N,H/2^n,W/2^n,3), n iterations.

    Height and width are multiples of 2^n. The latents are in [0, 1] if `clip` is 1.
    """
    return _build_part(config, keras, "encoder")


@register("tinycompress-decoder", CodecConfig, _PAPER, {1: _DECODER}, "codec", CHANNELS)
def build_decoder(config: CodecConfig, keras: Any) -> Any:
    """The decoder: latents (N,h,w,3) to (N,2^n h,2^n w,3) in [0, 1], n iterations."""
    return _build_part(config, keras, "decoder")
