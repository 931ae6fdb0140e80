r"""A network like edge-SR: each output pixel is a maximum of linear filters.

P. N. Michelini, Y. Lu, X. Jiang, "edge-SR: Super-Resolution For The Masses", 2022,
https://arxiv.org/abs/2108.10335. Its eSR-MAX takes, at every output pixel, the greatest of several
linear filters of the image. NHWC, one channel in [0, 1], s the scale:

    (N,H,W,1) - conv 7x7,ss -------- + - depth-to-space s - (N,sH,sW,1)
              \- conv 7x7,ss - ReLU -/   `width` times

Filters are zero-padded and have biases. The output is not clipped.

Deviations from the paper: the greater of two filters a and b is written a + ReLU(b - a), as b - a
is a filter itself and every runtime has these operators. Width 1 is eSR-MAX with two filters; a
larger width is a sum of such maxima.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from edge_sr.errors import UserError
from edge_sr.models import layers, reparam
from edge_sr.models.registry import LayerCounts, ModelConfig, register

KERNEL = 7
MAX_WIDTH = 8

_PAPER = "Michelini et al. 2022, edge-SR: Super-Resolution For The Masses"
_INIT_SCALE = 0.1  # branches start small


@dataclass(frozen=True)
class BranchConfig(ModelConfig):
    """Configuration of the network.

    Attributes:
        width: branches with a ReLU, 1 to `MAX_WIDTH`.
    """

    width: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.width <= MAX_WIDTH:
            raise UserError(
                f"the width of a network like edge-SR is 1 to {MAX_WIDTH}, not {self.width}"
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
    conv = partial(reparam.conv2d, keras, config, pixels, KERNEL, init_scale=_INIT_SCALE)
    x = conv("linear", identity_init=repeats)(image)
    for number in range(1, config.width + 1):
        name = f"branch{number}"
        branch = conv(name)(image)
        branch = keras.layers.ReLU(name=f"{name}_relu")(branch)
        x = keras.layers.Add(name=f"{name}_add")([x, branch])
    x = layers.depth_to_space(keras, config.scale, "shuffle")(x)
    return keras.Model(image, x, name="sr")
