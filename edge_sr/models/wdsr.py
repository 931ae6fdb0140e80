r"""WDSR: residual blocks that are widest before their activation.

J. Yu et al., "Wide Activation for Efficient and Accurate Image Super-Resolution", 2018,
https://arxiv.org/abs/1808.08718, with 32 filters, as rebuilt by C. Price et al., University of
Virginia, 2019. NHWC, RGB in [0, 1], s the scale:

    (N,H,W,3) - conv 3x3,32 - block ... block - conv 3x3,3ss - + - depth-to-space s - (N,sH,sW,3)
              \----------------- conv 5x5,3ss -----------------/

    block A   x - conv 3x3,128 - ReLU - conv 3x3,32 - + x
    block B   x - conv 1x1,192 - ReLU - conv 1x1,25 - conv 3x3,32 - + x

Convolutions are zero-padded and have biases. The output is not clipped. As in the paper, the
network trains with weight normalization and without the mean colour of DIV2K (`norm` and `original`
of the config); both fold away afterwards.

Deviations from the paper: the mean colour is subtracted after padding, so that it folds into a bias
exactly, at the border too. Initially the skip's kernel repeats pixels.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from edge_sr.models import layers, reparam
from edge_sr.models.registry import BlocksConfig, LayerCounts, register

FILTERS = 32
EXPANSION_A = 4
EXPANSION_B, LINEAR_B = 6, 0.8

_PAPER = "Yu et al. 2018, Wide Activation for Efficient and Accurate Image Super-Resolution"
_INIT_SCALE = 0.1  # of the skip, which initially repeats the image

Block = Callable[[Any, Any, Any, str], Any]


def _layer_counts(name: str) -> dict[int, LayerCounts]:
    """The layers of the network with 8 blocks by scale; they add up to the published totals."""
    inner = {
        "wdsr-a": (("conv 3x3x128", 36992), ("conv 3x3x32", 36896)),
        "wdsr-b": (("conv 1x1x192", 6336), ("conv 1x1x25", 4825), ("conv 3x3x32", 7232)),
    }[name]
    tail_and_skip = {2: (3468, 912), 4: (13872, 3648)}
    return {
        scale: (
            ("conv 3x3x32", 896),
            *inner * 8,
            (f"conv 3x3x{3 * scale**2}", tail),
            (f"conv 5x5x{3 * scale**2}", skip),
        )
        for scale, (tail, skip) in tail_and_skip.items()
    }


def _block_a(keras: Any, conv: Any, x: Any, name: str) -> Any:
    wide = conv(FILTERS * EXPANSION_A, 3, f"{name}_wide")(x)
    wide = keras.layers.ReLU(name=f"{name}_relu")(wide)
    return conv(FILTERS, 3, f"{name}_narrow")(wide)


def _block_b(keras: Any, conv: Any, x: Any, name: str) -> Any:
    wide = conv(FILTERS * EXPANSION_B, 1, f"{name}_wide")(x)
    wide = keras.layers.ReLU(name=f"{name}_relu")(wide)
    linear = conv(int(FILTERS * LINEAR_B), 1, f"{name}_linear")(wide)
    return conv(FILTERS, 3, f"{name}_narrow")(linear)


def _network(config: BlocksConfig, keras: Any, block: Block) -> Any:
    conv = partial(reparam.conv2d, keras, config)
    pixels = config.scale**2
    image = keras.layers.Input((None, None, 3), name="image")
    x = conv(FILTERS, 3, "head", mean=reparam.MEAN_RGB)(image)
    for number in range(1, config.blocks + 1):
        name = f"block{number}"
        x = keras.layers.Add(name=f"{name}_add")([x, block(keras, conv, x, name)])
    x = conv(3 * pixels, 3, "tail")(x)
    skip = reparam.repeating_conv2d(keras, config, 5, "skip", init_scale=_INIT_SCALE)(image)
    x = keras.layers.Add(name="add")([x, skip])
    x = layers.depth_to_space(keras, config.scale, "shuffle")(x)
    return keras.Model(image, x, name="sr")


@register("wdsr-a", BlocksConfig, _PAPER, _layer_counts("wdsr-a"), channels=3, family="rgb")
def build_wdsr_a(config: BlocksConfig, keras: Any) -> Any:
    """WDSR-A: (N,H,W,3) in [0, 1] to (N,sH,sW,3), not clipped."""
    return _network(config, keras, _block_a)


@register("wdsr-b", BlocksConfig, _PAPER, _layer_counts("wdsr-b"), channels=3, family="rgb")
def build_wdsr_b(config: BlocksConfig, keras: Any) -> Any:
    """WDSR-B: (N,H,W,3) in [0, 1] to (N,sH,sW,3), not clipped."""
    return _network(config, keras, _block_b)
