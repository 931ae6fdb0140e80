"""FSRCNN and FSRCNN-s: shrink, map, expand, and enlarge at the end.

Source: C. Dong, C. C. Loy, X. Tang, "Accelerating the Super-Resolution Convolutional Neural
Network" (2016), with its (d, s, m) = (56, 12, 4), and (32, 5, 1) for FSRCNN-s. One channel, values
in [0, 1]:

    image - conv 5x5,d - conv 1x1,s - m times conv 3x3,s - conv 1x1,d - transposed conv 9x9,1

each convolution but the last followed by a PReLU. Published counts are of convolution weights
alone. The transposed convolution has the scale as its stride, zero 'same' padding, and is trained
with its own 81 d taps; folded, it is a convolution of 5x5 (x2) or 3x3 (x4) before a
depth-to-space, which computes the same. Some taps of that one are zero; tuning for int8 may use
them. Ours: the first channel carries the image when training starts.
"""

from functools import partial
from typing import Any

import numpy as np

from edge_sr.models import layers
from edge_sr.models.registry import LayerCounts, ModelConfig, register

_PAPER = "Dong et al. 2016, Accelerating the Super-Resolution Convolutional Neural Network"
_LAST = {2: 5, 4: 3}
"""Side of the last convolution's kernel, folded, by scale."""


def _counts(d: int, s: int, m: int) -> dict[int, LayerCounts]:
    """The layers of the folded network by scale, with biases and slopes."""
    convolutions = (
        (f"conv 5x5x{d}", 26 * d, d),
        (f"conv 1x1x{s}", d * s + s, s),
        *((f"conv 3x3x{s}", 9 * s * s + s, s),) * m,
        (f"conv 1x1x{d}", s * d + d, d),
    )
    before = [item for name, n, c in convolutions for item in ((name, n), ("prelu", c))]
    return {
        scale: (
            *before,
            (f"conv {side}x{side}x{scale**2}", (side * side * d + 1) * scale**2),
            ("pixel shuffle", 0),
        )
        for scale, side in _LAST.items()
    }


def _network(config: ModelConfig, keras: Any, d: int, s: int, m: int) -> Any:
    conv = partial(layers.conv2d, keras, config, carries=np.ones((1, 1)))
    image = x = keras.layers.Input((None, None, 1), name="image")
    steps = [("features", d, 5), ("shrink", s, 1)]
    steps += [(f"map{number}", s, 3) for number in range(1, m + 1)] + [("expand", d, 1)]
    for name, filters, kernel in steps:
        x = conv(filters, kernel, name)(x)
        x = layers.prelu(keras, f"{name}_prelu")(x)
    x = layers.strided_conv2d(keras, config, 9, "enlarge")(x)
    x = layers.depth_to_space(keras, config.scale, "shuffle")(x)
    return keras.Model(image, x, name="sr")


@register("fsrcnn", ModelConfig, _PAPER, _counts(56, 12, 4), family="fsrcnn")
def build_fsrcnn(config: ModelConfig, keras: Any) -> Any:
    """FSRCNN (56, 12, 4): (N,H,W,1) in [0, 1] to (N,sH,sW,1), not clipped."""
    return _network(config, keras, 56, 12, 4)


@register("fsrcnn-s", ModelConfig, _PAPER, _counts(32, 5, 1), family="fsrcnn")
def build_fsrcnn_s(config: ModelConfig, keras: Any) -> Any:
    """FSRCNN-s (32, 5, 1): (N,H,W,1) in [0, 1] to (N,sH,sW,1), not clipped."""
    return _network(config, keras, 32, 5, 1)
