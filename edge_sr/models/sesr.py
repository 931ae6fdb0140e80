r"""A network like SESR: linear residual blocks that collapse into plain convolutions.

K. Bhardwaj et al., "Collapsible Linear Blocks for Super-Efficient Super Resolution", 2022,
https://arxiv.org/abs/2103.09404, with 16 filters. NHWC, one channel in [0, 1], s the scale:

    (N,H,W,1) - conv 5x5,16 - PReLU - block ... block - + - conv 5x5,ss - + - depth-to-space s
              |                     \-------------------/                 |   - (N,sH,sW,1)
              \--- repeated for each sub-pixel ---------------------------/

    block   x - conv 3x3,16 - PReLU

Convolutions are zero-padded and have biases. The output is not clipped. With 3, 5, 7 or 11 blocks
the convolutions have the 8.91, 13.52, 18.12 or 27.34 K weights that the paper gives for SESR-M3 to
-M11 at x2. The paper's wide linear blocks are `expand` of the recipe.

Deviations from the paper: a block's own residual, which collapses into its kernel, is replaced by
an initial identity. At x4 there is one depth-to-space of 4 instead of two of 2; they differ by the
order of channels only. PReLU has one alpha per channel.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from edge_sr.models import activations, layers, reparam
from edge_sr.models.registry import BlocksConfig, LayerCounts, register

FILTERS = 16

_PAPER = "Bhardwaj et al. 2022, Collapsible Linear Blocks for Super-Efficient Super Resolution"
_INIT_SCALE = 0.3  # blocks start near the identity


@dataclass(frozen=True)
class SESRConfig(BlocksConfig):
    """`BlocksConfig` with the 5 blocks of SESR-M5 as the default."""

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
    conv = partial(reparam.conv2d, keras, config)
    pixels = config.scale**2
    image = keras.layers.Input((None, None, 1), name="image")
    x = activations.prelu(keras, "head_prelu")(conv(FILTERS, 5, "head")(image))
    entry = x
    for number in range(1, config.blocks + 1):
        name = f"block{number}"
        x = conv(FILTERS, 3, name, identity_init=np.eye(FILTERS), init_scale=_INIT_SCALE)(x)
        x = activations.prelu(keras, f"{name}_prelu")(x)
    x = keras.layers.Add(name="add")([x, entry])
    x = conv(pixels, 5, "tail", init_scale=_INIT_SCALE)(x)
    x = layers.add_repeated(keras, x, image, pixels, "anchor")
    x = layers.depth_to_space(keras, config.scale, "shuffle")(x)
    return keras.Model(image, x, name="sr")
