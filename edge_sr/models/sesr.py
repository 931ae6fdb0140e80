r"""A network like SESR: residual blocks that collapse into plain convolutions.

Source: K. Bhardwaj et al., "Collapsible Linear Blocks for Super-Efficient Super Resolution" (2022),
with 16 filters. One channel, values in [0, 1]:

    image - conv 5x5,16 - PReLU - block ... block - + - conv 5x5,ss - + - depth-to-space s
                                 \----------------/
    block   x - conv 3x3,16 - PReLU

The image is added to every sub-pixel at the second +. With 3, 5, 7 or 11 blocks the weights of the
convolutions alone are the 8.91, 13.52, 18.12 or 27.34 K that the paper gives at x2 (SESR-M3 to
-M11). A block's own residual is linear, and collapses into its kernel; here the kernel starts from
the identity instead. The paper's wide linear blocks are `expand` of the recipe. Ours: at x4 one
depth-to-space of 4 where the paper has two of 2, which differ by the order of channels alone, and
a slope for each channel.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from edge_sr.models import layers
from edge_sr.models.registry import BlocksConfig, LayerCounts, register

FILTERS = 16

_PAPER = "Bhardwaj et al. 2022, Collapsible Linear Blocks for Super-Efficient Super Resolution"
_NOISE = 0.3  # of the start: blocks begin near the identity


@dataclass(frozen=True)
class SESRConfig(BlocksConfig):
    """As `BlocksConfig`, with the blocks of SESR-M5 by default."""

    blocks: int = 5


_PUBLISHED: dict[int, LayerCounts] = {
    scale: (
        ("conv 5x5x16", 416),
        ("prelu", 16),
        *(("conv 3x3x16", 2320), ("prelu", 16)) * 5,
        (f"conv 5x5x{scale**2}", 401 * scale**2),
        ("pixel shuffle", 0),
    )
    for scale in (2, 4)
}


@register("sesr", SESRConfig, _PAPER, _PUBLISHED)
def build_sesr(config: SESRConfig, keras: Any) -> Any:
    """A network like SESR: (N,H,W,1) in [0, 1] to (N,sH,sW,1), not clipped."""
    conv = partial(layers.conv2d, keras, config)
    pixels = config.scale**2
    image = keras.layers.Input((None, None, 1), name="image")
    x = layers.prelu(keras, "head_prelu")(conv(FILTERS, 5, "head")(image))
    entry = x
    for number in range(1, config.blocks + 1):
        name = f"block{number}"
        x = conv(FILTERS, 3, name, carries=np.eye(FILTERS), noise=_NOISE)(x)
        x = layers.prelu(keras, f"{name}_prelu")(x)
    x = keras.layers.Add(name="add")([x, entry])
    x = conv(pixels, 5, "tail", noise=_NOISE)(x)
    x = layers.add_repeated(keras, x, image, pixels, "anchor")
    x = layers.depth_to_space(keras, config.scale, "shuffle")(x)
    return keras.Model(image, x, name="sr")
