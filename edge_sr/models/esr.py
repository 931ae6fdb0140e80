"""A network like edge-SR: one layer, of which each output pixel takes a maximum.

Source: P. N. Michelini, Y. Lu, X. Jiang, "edge-SR: Super-Resolution For The Masses" (2022), whose
eSR-MAX takes, at every output pixel, the greatest of several linear filters of the image. One
channel, values in [0, 1]:

    image - conv 7x7,ss - + - ... - + - depth-to-space s - (N,sH,sW,1)
          - conv 7x7,ss - ReLU ----/

The greater of two filters is written a + ReLU(b - a): b - a is a filter itself, and no runtime
lacks these operators. The width is how many such branches are added: 1 is eSR-MAX with two
filters, more are a sum of maxima, which is ours. All filters have biases.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_sr.errors import UserError
from edge_sr.models import layers
from edge_sr.models.registry import LayerCounts, ModelConfig, register

KERNEL = 7
MAX_WIDTH = 8

_PAPER = "Michelini et al. 2022, edge-SR: Super-Resolution For The Masses"
_NOISE = 0.1  # of the start: branches begin small


@dataclass(frozen=True)
class BranchConfig(ModelConfig):
    """What the network is told beside.

    Attributes:
        width: branches with a ReLU, 1 to `MAX_WIDTH`.
    """

    width: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.width <= MAX_WIDTH:
            raise UserError(
                f"a network like edge-SR has a width of 1 to {MAX_WIDTH}, not {self.width}"
            )


_PUBLISHED: dict[int, LayerCounts] = {
    scale: ((f"conv 7x7x{scale**2}", 50 * scale**2),) * 4 for scale in (2, 4)
}


@register("esr", BranchConfig, _PAPER, _PUBLISHED)
def build_esr(config: BranchConfig, keras: Any) -> Any:
    """A network like eSR-MAX: (N,H,W,1) in [0, 1] to (N,sH,sW,1), not clipped."""
    pixels = config.scale**2
    image = keras.layers.Input((None, None, 1), name="image")
    repeats = np.ones((1, pixels))
    linear = layers.conv2d(keras, config, pixels, KERNEL, "linear", carries=repeats, noise=_NOISE)
    x = linear(image)
    for number in range(1, config.width + 1):
        name = f"branch{number}"
        branch = layers.conv2d(keras, config, pixels, KERNEL, name, noise=_NOISE)(image)
        branch = keras.layers.ReLU(name=f"{name}_relu")(branch)
        x = keras.layers.Add(name=f"{name}_add")([x, branch])
    x = layers.depth_to_space(keras, config.scale, "shuffle")(x)
    return keras.Model(image, x, name="sr")
