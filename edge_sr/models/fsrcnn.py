"""FSRCNN and FSRCNN-s: shrink, map, expand, and enlarge at the end.

C. Dong, C. C. Loy, X. Tang, "Accelerating the Super-Resolution Convolutional Neural Network", 2016,
https://arxiv.org/abs/1608.00367. (d, s, m) is (56, 12, 4) for FSRCNN and (32, 5, 1) for FSRCNN-s.
NHWC, one channel in [0, 1], r the scale:

    (N,H,W,1) - conv 5x5,d - conv 1x1,s - m times conv 3x3,s - conv 1x1,d
              - transposed conv 9x9,1 stride r - (N,rH,rW,1)

A PReLU follows each convolution but the last. Convolutions have zero 'same' padding and biases; the
paper's counts are of convolution weights only. The output is not clipped.

Deviations from the paper: the transposed convolution trains with its own 81 d taps and folds to a
convolution of 5x5 (x2) or 3x3 (x4) before a depth-to-space, which computes the same; some of that
kernel's values are zero, and quantization-aware training may change them. Initially the first
channel carries the image.
"""

from functools import partial
from typing import Any

import numpy as np

from edge_sr.models import activations, layers, reparam
from edge_sr.models.registry import LayerCounts, ModelConfig, register

_PAPER = "Dong et al. 2016, Accelerating the Super-Resolution Convolutional Neural Network"
_LAST = {2: 5, 4: 3}
"""Side of the last convolution's kernel, folded, by scale."""


def _counts(d: int, s: int, m: int) -> dict[int, LayerCounts]:
    """The layers of the folded network by scale, counted with biases and alphas."""
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
    conv = partial(reparam.conv2d, keras, config, identity_init=np.ones((1, 1)))
    image = x = keras.layers.Input((None, None, 1), name="image")
    steps = [("features", d, 5), ("shrink", s, 1)]
    steps += [(f"map{number}", s, 3) for number in range(1, m + 1)] + [("expand", d, 1)]
    for name, filters, kernel in steps:
        x = conv(filters, kernel, name)(x)
        x = activations.prelu(keras, f"{name}_prelu")(x)
    x = reparam.strided_conv2d(keras, config, 9, "enlarge")(x)
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
