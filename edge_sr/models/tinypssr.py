"""TinyPSSR: tiny pixel-shuffling super-resolution.

Source: N. Chiapputo, C. P. Bailey, "Efficient Convolutional Neural Networks in Image Processing
Applications", University of North Texas. One channel at a time, values in [0, 1]:

    (N,H,W,1) - conv 5x5,16 - PReLU - conv 1x1,4 - PReLU - conv 5x5,8 - PReLU - conv 1x1,4
              - ReLU - depth-to-space x2 - (N,2H,2W,1)

At x4 the stage stands twice, and a PReLU takes the place of the first one's ReLU. `tinypssr-anchor`
is ours: the same convolutions, each stage's input added to every sub-pixel before depth-to-space,
so that the network learns the residual to nearest-neighbour upscaling; no further parameters.
Convolutions are zero-padded to keep the size, and PReLU has one slope per channel, as the
published counts prove.

Other activations may take PReLU's places, as in the slides' study of them. The slides do not say
what their "GCU+PReLU" is; here PReLU follows the growing cosine unit in each place. What speaks for
it: the figures of that row lie beyond GCU's, seen from PReLU's (more SSIM, less PSNR), not between
the two, where a network with either in some of the places would be expected; and it keeps 1,356
parameters.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from edge_sr.errors import UserError
from edge_sr.models import layers
from edge_sr.models.registry import LayerCounts, ModelConfig, register

_PAPER = "Chiapputo & Bailey, Efficient CNNs in Image Processing Applications (TinyPSSR)"

_STAGE: LayerCounts = (
    ("conv 5x5x16", 416),
    ("prelu", 16),
    ("conv 1x1x4", 68),
    ("prelu", 4),
    ("conv 5x5x8", 808),
    ("prelu", 8),
    ("conv 1x1x4", 36),
)
_SHUFFLE = (("pixel shuffle", 0),)
_PUBLISHED: dict[int, LayerCounts] = {
    2: (*_STAGE, *_SHUFFLE),
    4: (*_STAGE, ("prelu", 4), *_SHUFFLE, *_STAGE, *_SHUFFLE),
}


_Activation = Callable[[Any, str], Any]
"""Makes a layer of a Keras namespace, named."""


def _relu(keras: Any, name: str) -> Any:
    return keras.layers.ReLU(name=name)


def _leaky_relu(slope: float, keras: Any, name: str) -> Any:
    # The one argument that both namespaces take by position alone: its name differs.
    return keras.layers.LeakyReLU(slope, name=name)


_ACTIVATIONS: Mapping[str, tuple[_Activation, ...]] = {
    "prelu": (layers.prelu,),
    "relu": (_relu,),
    "lrelu-0.10": (partial(_leaky_relu, 0.10),),
    "lrelu-0.20": (partial(_leaky_relu, 0.20),),
    "lrelu-0.50": (partial(_leaky_relu, 0.50),),
    "lrelu-0.75": (partial(_leaky_relu, 0.75),),
    "gcu": (layers.growing_cosine,),
    "gcu+prelu": (layers.growing_cosine, layers.prelu),
    "none": (),
}


@dataclass(frozen=True)
class TinyPssrConfig(ModelConfig):
    """What TinyPSSR is told.

    Attributes:
        activation: what stands in PReLU's places: a key of the table above.
    """

    activation: str = "prelu"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.activation not in _ACTIVATIONS:
            raise UserError(
                f"activation must be one of {', '.join(_ACTIVATIONS)}, it is {self.activation!r}"
            )


def _activate(config: TinyPssrConfig, keras: Any, x: Any, place: str) -> Any:
    for make in _ACTIVATIONS[config.activation]:
        kind = "prelu" if make is layers.prelu else "act"
        x = make(keras, place.format(kind))(x)
    return x


def _stage(config: TinyPssrConfig, keras: Any, x: Any, prefix: str, carries: bool) -> Any:
    one, four = (np.ones((1, 1)), np.ones((1, 4))) if carries else (None, None)
    for number, (filters, kernel) in enumerate(((16, 5), (4, 1), (8, 5)), start=1):
        name = f"{prefix}conv{number}"
        x = layers.conv2d(keras, config, filters, kernel, name, carries=one)(x)
        x = _activate(config, keras, x, f"{prefix}{{}}{number}")
    return layers.conv2d(keras, config, 4, 1, f"{prefix}conv4", carries=four)(x)


def _network(config: TinyPssrConfig, keras: Any, anchor: bool) -> Any:
    image = x = keras.layers.Input((None, None, 1), name="image")
    stages = {2: 1, 4: 2}[config.scale]
    for stage in range(1, stages + 1):
        prefix = f"stage{stage}_"
        # Without anchor the image is handed on by the first channel, at first: else the last ReLU
        # may start black everywhere, and nothing is learned from black.
        entry, x = x, _stage(config, keras, x, prefix, carries=not anchor)
        if stage < stages:
            x = _activate(config, keras, x, f"{prefix}{{}}4")
        if anchor:
            x = layers.add_repeated(keras, x, entry, 4, f"{prefix}anchor")
        if stage == stages:
            x = keras.layers.ReLU(name=f"{prefix}relu")(x)
        x = layers.depth_to_space(keras, 2, f"{prefix}shuffle")(x)
    # The name stands in every tensor of the exported file: a short one saves flash.
    return keras.Model(image, x, name="sr")


@register("tinypssr", TinyPssrConfig, _PAPER, _PUBLISHED)
def build_tinypssr(config: TinyPssrConfig, keras: Any) -> Any:
    """TinyPSSR as published: (N,H,W,1) in [0, 1] to (N,sH,sW,1), not clipped above 1."""
    return _network(config, keras, anchor=False)


@register("tinypssr-anchor", TinyPssrConfig, _PAPER, _PUBLISHED)
def build_tinypssr_anchor(config: TinyPssrConfig, keras: Any) -> Any:
    """TinyPSSR that learns the residual to nearest-neighbour upscaling; shapes as `tinypssr`."""
    return _network(config, keras, anchor=True)
