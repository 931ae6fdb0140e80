"""ESPCN: convolutions and tanh at low resolution, then a pixel shuffle.

W. Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
Convolutional Neural Network", 2016, https://arxiv.org/abs/1609.05158. NHWC, one channel in [0, 1],
s the scale:

    (N,H,W,1) - conv 5x5,n1 - tanh - conv 3x3,n2 - tanh - conv 3x3,ss
              - depth-to-space s - (N,sH,sW,1)

Convolutions are zero-padded and have biases. The output is not clipped.

- `espcn`: n1, n2 = 64, 32. At x4 it has 24,752 parameters, 24,640 of them weights. The slides on
  TinyPSSR print 24,384, which neither count explains.
- `espcn-tiny`: n1 = 9, n2 = the width (9, 21 or 27: 1,300, 2,716 or 3,424 parameters at x2), the
  ESPCN networks of P. N. Michelini et al., "edge-SR: Super-Resolution For The Masses", 2022,
  https://arxiv.org/abs/2108.10335, without their final sigmoid. An int8 sigmoid that reaches both
  black and white is too coarse (three gray levels a step in the middle), and int8 clips to [0, 1]
  anyway.
- `espcn-tiny-anchor`, our own: the image is added to every sub-pixel, so the network learns the
  residual to nearest-neighbour upscaling.

Deviation from the paper: the initial kernels. Neighbouring pixels differ little, and with kernels
of the usual size tanh is almost linear there; training then stays near a single convolution for
epochs. So the hidden kernels start large, and the last one small.
"""

import math
from dataclasses import dataclass
from typing import Any

from edge_sr.errors import UserError
from edge_sr.models import layers, reparam
from edge_sr.models.registry import LayerCounts, ModelConfig, register

WIDTHS = (9, 21, 27)

_PAPER = "Shi et al. 2016, Real-Time Super-Resolution Using an Efficient Sub-Pixel CNN"
_GAINS = (math.sqrt(20), 3.0)  # of the initial hidden kernels: they must reach tanh's curvature
_LAST_SCALE = 0.3  # of the last kernel, so that initial noise does not hide the image
_SCALES = (2, 4)


@dataclass(frozen=True)
class WidthConfig(ModelConfig):
    """Configuration of the tiny networks.

    Attributes:
        width: channels of the second convolution: 9, 21 or 27.
    """

    width: int = 9

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width not in WIDTHS:
            widths = ", ".join(map(str, WIDTHS))
            raise UserError(f"a tiny ESPCN has no width {self.width}; it has {widths}")


def _counts(n1: int, n2: int) -> dict[int, LayerCounts]:
    return {
        scale: (
            (f"conv 5x5x{n1}", 26 * n1),
            (f"conv 3x3x{n2}", (9 * n1 + 1) * n2),
            (f"conv 3x3x{scale**2}", (9 * n2 + 1) * scale**2),
            ("pixel shuffle", 0),
        )
        for scale in _SCALES
    }


def _features(config: ModelConfig, keras: Any, image: Any, n1: int, n2: int) -> Any:
    """The output of the two hidden convolutions (N,H,W,n2)."""
    x, channels = image, 1
    for number, (filters, kernel) in enumerate(((n1, 5), (n2, 3)), start=1):
        # Turns Glorot's scale into that of a gain of the sum over a kernel's inputs.
        scale = _GAINS[number - 1] * math.sqrt((channels + filters) / (2 * channels))
        x = reparam.conv2d(keras, config, filters, kernel, f"conv{number}", init_scale=scale)(x)
        x = keras.layers.Activation("tanh", name=f"tanh{number}")(x)
        channels = filters
    return x


def _network(config: ModelConfig, keras: Any, n1: int, n2: int) -> Any:
    image = keras.layers.Input((None, None, 1), name="image")
    last = reparam.conv2d(keras, config, config.scale**2, 3, "conv3", init_scale=_LAST_SCALE)
    x = last(_features(config, keras, image, n1, n2))
    x = layers.depth_to_space(keras, config.scale, "shuffle")(x)
    return keras.Model(image, x, name="sr")


@register("espcn", ModelConfig, _PAPER, _counts(64, 32), family="espcn-wide")
def build_espcn(config: ModelConfig, keras: Any) -> Any:
    """ESPCN: (N,H,W,1) in [0, 1] to (N,sH,sW,1), not clipped."""
    return _network(config, keras, 64, 32)


@register("espcn-tiny", WidthConfig, _PAPER, _counts(9, 9), family="espcn")
def build_espcn_tiny(config: WidthConfig, keras: Any) -> Any:
    """A tiny ESPCN: (N,H,W,1) in [0, 1] to (N,sH,sW,1), not clipped."""
    return _network(config, keras, 9, config.width)


@register("espcn-tiny-anchor", WidthConfig, _PAPER, _counts(9, 9), family="espcn")
def build_espcn_tiny_anchor(config: WidthConfig, keras: Any) -> Any:
    """A tiny ESPCN with anchor: (N,H,W,1) in [0, 1] to (N,sH,sW,1), not clipped."""
    image = keras.layers.Input((None, None, 1), name="image")
    pixels = config.scale**2
    last = reparam.conv2d(keras, config, pixels, 3, "conv3", init_scale=_LAST_SCALE)
    x = last(_features(config, keras, image, 9, config.width))
    x = layers.add_repeated(keras, x, image, pixels, "anchor")
    x = layers.depth_to_space(keras, config.scale, "shuffle")(x)
    return keras.Model(image, x, name="sr")
