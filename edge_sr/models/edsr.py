r"""EDSR: residual blocks without normalization, and an upsampler of pixel shuffles.

Source: B. Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution" (2017),
with 64 filters and no scaling of residuals, as rebuilt by C. Price et al., University of Virginia
(2019), whose counts are tested here. RGB in [0, 1]:

    image - conv 3x3,64 - block ... block - conv 3x3,64 - + - upsample - conv 3x3,3 - (N,sH,sW,3)
                        \-----------------------------/

    block     x - conv 3x3,64 - ReLU - conv 3x3,64 - + x
    upsample  conv 3x3,256 - depth-to-space 2, once at x2 and twice at x4

Convolutions are zero-padded and have biases. The papers subtract the mean colour of DIV2K:
`original` of the config, as in `wdsr`. Ours: the network starts as one that repeats pixels, the
first channels carrying the image.
"""

from functools import partial
from typing import Any

import numpy as np

from edge_sr.models import layers
from edge_sr.models.registry import BlocksConfig, LayerCounts, register

FILTERS = 64

_PAPER = "Lim et al. 2017, Enhanced Deep Residual Networks for Single Image Super-Resolution"
_NOISE = 0.1  # of the start of what ends in the image

_STEPS = {2: 1, 4: 2}
"""Pixel shuffles by scale."""

_PUBLISHED: dict[int, LayerCounts] = {
    scale: (
        ("conv 3x3x64", 1792),
        *(("conv 3x3x64", 36928),) * (2 * 8 + 1),
        *(("conv 3x3x256", 147712),) * steps,
        ("conv 3x3x3", 1731),
    )
    for scale, steps in _STEPS.items()
}


def _block(keras: Any, conv: Any, x: Any, name: str) -> Any:
    inner = conv(FILTERS, 3, f"{name}_conv1")(x)
    inner = keras.layers.ReLU(name=f"{name}_relu")(inner)
    inner = conv(FILTERS, 3, f"{name}_conv2")(inner)
    return keras.layers.Add(name=f"{name}_add")([x, inner])


@register("edsr", BlocksConfig, _PAPER, _PUBLISHED, channels=3, family="rgb")
def build_edsr(config: BlocksConfig, keras: Any) -> Any:
    """EDSR: (N,H,W,3) in [0, 1] to (N,sH,sW,3), not clipped."""
    conv = partial(layers.conv2d, keras, config)
    image = keras.layers.Input((None, None, 3), name="image")
    colours = np.eye(3)
    x = entry = conv(FILTERS, 3, "head", mean=layers.MEAN_RGB, carries=colours)(image)
    for number in range(1, config.blocks + 1):
        x = _block(keras, conv, x, f"block{number}")
    x = conv(FILTERS, 3, "body")(x)
    x = keras.layers.Add(name="add")([entry, x])
    repeated = np.tile(np.eye(3, FILTERS), (1, 4))  # channel c of sub-pixel p is 64 p + c
    for number in range(1, _STEPS[config.scale] + 1):
        x = conv(4 * FILTERS, 3, f"up{number}", carries=repeated)(x)
        x = layers.depth_to_space(keras, 2, f"shuffle{number}")(x)
    bias = layers.MEAN_RGB if config.original else 0.0
    x = conv(3, 3, "tail", carries=colours, bias=bias, noise=_NOISE)(x)
    return keras.Model(image, x, name="sr")
