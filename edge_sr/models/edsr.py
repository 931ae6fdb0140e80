r"""EDSR: residual blocks without normalization, and an upsampler of pixel shuffles.

B. Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution", 2017,
https://arxiv.org/abs/1707.02921: the baseline with 64 filters and no residual scaling, as rebuilt
by C. Price et al., University of Virginia, 2019. NHWC, RGB in [0, 1], s the scale:

    (N,H,W,3) - conv 3x3,64 - block ... block - conv 3x3,64 - + - upsample - conv 3x3,3
                            \---------------------------------/              - (N,sH,sW,3)

    block     x - conv 3x3,64 - ReLU - conv 3x3,64 - + x
    upsample  conv 3x3,256 - depth-to-space 2, once at x2 and twice at x4

Convolutions are zero-padded and have biases. The output is not clipped.

Deviations from the paper: the mean colour of DIV2K is subtracted after padding (`original` of the
config; see `wdsr`). Initially the first channels carry the image, and the network repeats pixels.
"""

from functools import partial
from typing import Any

import numpy as np

from edge_sr.models import layers, reparam
from edge_sr.models.registry import BlocksConfig, LayerCounts, register

FILTERS = 64

_PAPER = "Lim et al. 2017, Enhanced Deep Residual Networks for Single Image Super-Resolution"
_INIT_SCALE = 0.1  # of the convolution whose output is added to the image

_SHUFFLES = {2: 1, 4: 2}
"""Pixel shuffles by scale."""

_PUBLISHED: dict[int, LayerCounts] = {
    scale: (
        ("conv 3x3x64", 1792),
        *(("conv 3x3x64", 36928),) * (2 * 8 + 1),
        *(("conv 3x3x256", 147712),) * shuffles,
        ("conv 3x3x3", 1731),
    )
    for scale, shuffles in _SHUFFLES.items()
}


def _block(keras: Any, conv: Any, x: Any, name: str) -> Any:
    inner = conv(FILTERS, 3, f"{name}_conv1")(x)
    inner = keras.layers.ReLU(name=f"{name}_relu")(inner)
    inner = conv(FILTERS, 3, f"{name}_conv2")(inner)
    return keras.layers.Add(name=f"{name}_add")([x, inner])


@register("edsr", BlocksConfig, _PAPER, _PUBLISHED, channels=3, family="rgb")
def build_edsr(config: BlocksConfig, keras: Any) -> Any:
    """EDSR: (N,H,W,3) in [0, 1] to (N,sH,sW,3), not clipped."""
    conv = partial(reparam.conv2d, keras, config)
    image = keras.layers.Input((None, None, 3), name="image")
    colours = np.eye(3)
    x = entry = conv(FILTERS, 3, "head", mean=reparam.MEAN_RGB, identity_init=colours)(image)
    for number in range(1, config.blocks + 1):
        x = _block(keras, conv, x, f"block{number}")
    x = conv(FILTERS, 3, "body")(x)
    x = keras.layers.Add(name="add")([entry, x])
    repeated = np.tile(np.eye(3, FILTERS), (1, 4))  # channel c of sub-pixel p is 64 p + c
    for number in range(1, _SHUFFLES[config.scale] + 1):
        x = conv(4 * FILTERS, 3, f"up{number}", identity_init=repeated)(x)
        x = layers.depth_to_space(keras, 2, f"shuffle{number}")(x)
    bias = reparam.MEAN_RGB if config.original else 0.0
    tail = conv(3, 3, "tail", identity_init=colours, bias_init=bias, init_scale=_INIT_SCALE)
    x = tail(x)
    return keras.Model(image, x, name="sr")
