"""TinyPSSR: tiny pixel-shuffling super-resolution.

N. Chiapputo, C. P. Bailey, "Efficient Convolutional Neural Networks in Image Processing
Applications", slides, University of North Texas (not online as a paper). NHWC, one channel at a
time, values in [0, 1]:

    (N,H,W,1) - conv 5x5,16 - PReLU - conv 1x1,4 - PReLU - conv 5x5,8 - PReLU - conv 1x1,4
              - ReLU - depth-to-space 2 - (N,2H,2W,1)

At x4 there are two such stages; a PReLU replaces the ReLU of the first. Convolutions are
zero-padded to keep the size, and PReLU has one alpha per channel, as the published counts prove.
The output is not clipped above 1.

- `tinypssr`: as published. Initially the first channel carries the image.
- `tinypssr-anchor`, our own: the same convolutions, but each stage's input is added to every
  sub-pixel before depth-to-space. The network learns the residual to nearest-neighbour upscaling,
  with the same number of parameters.

`activation` replaces PReLU, as in the slides' study of activations. The slides do not define their
"GCU+PReLU"; here PReLU follows the growing cosine unit each time. Two facts support this: that
row's figures lie beyond GCU's as seen from PReLU's (more SSIM, less PSNR), while a mixture of
layers with either would lie between them; and the network keeps its 1,356 parameters.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from edge_sr.errors import UserError
from edge_sr.models import activations, layers, reparam
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
"""Makes a layer from a Keras namespace and a name."""


def _relu(keras: Any, name: str) -> Any:
    return keras.layers.ReLU(name=name)


def _leaky_relu(alpha: float, keras: Any, name: str) -> Any:
    # By position: the argument's name differs between the namespaces.
    return keras.layers.LeakyReLU(alpha, name=name)


_ACTIVATIONS: Mapping[str, tuple[_Activation, ...]] = {
    "prelu": (activations.prelu,),
    "relu": (_relu,),
    "lrelu-0.10": (partial(_leaky_relu, 0.10),),
    "lrelu-0.20": (partial(_leaky_relu, 0.20),),
    "lrelu-0.50": (partial(_leaky_relu, 0.50),),
    "lrelu-0.75": (partial(_leaky_relu, 0.75),),
    "gcu": (activations.growing_cosine,),
    "gcu+prelu": (activations.growing_cosine, activations.prelu),
    "none": (),
}


@dataclass(frozen=True)
class TinyPssrConfig(ModelConfig):
    """Configuration of TinyPSSR.

    Attributes:
        activation: what follows the convolutions: a key of `_ACTIVATIONS`.
    """

    activation: str = "prelu"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.activation not in _ACTIVATIONS:
            raise UserError(
                f"activation must be one of {', '.join(_ACTIVATIONS)}, it is {self.activation!r}"
            )


def _activate(config: TinyPssrConfig, keras: Any, x: Any, name: str) -> Any:
    """Apply the configured activation; {} in `name` becomes its kind."""
    for make in _ACTIVATIONS[config.activation]:
        kind = "prelu" if make is activations.prelu else "act"
        x = make(keras, name.format(kind))(x)
    return x


def _stage(config: TinyPssrConfig, keras: Any, x: Any, prefix: str, identity: bool) -> Any:
    one, four = (np.ones((1, 1)), np.ones((1, 4))) if identity else (None, None)
    conv = partial(reparam.conv2d, keras, config)
    for number, (filters, kernel) in enumerate(((16, 5), (4, 1), (8, 5)), start=1):
        name = f"{prefix}conv{number}"
        x = conv(filters, kernel, name, identity_init=one)(x)
        x = _activate(config, keras, x, f"{prefix}{{}}{number}")
    return conv(4, 1, f"{prefix}conv4", identity_init=four)(x)


def _network(config: TinyPssrConfig, keras: Any, anchor: bool) -> Any:
    image = x = keras.layers.Input((None, None, 1), name="image")
    stages = {2: 1, 4: 2}[config.scale]
    for stage in range(1, stages + 1):
        prefix = f"stage{stage}_"
        # Without the anchor, the first channel initially carries the image: else the last ReLU may
        # be zero everywhere, and has no gradient.
        entry, x = x, _stage(config, keras, x, prefix, identity=not anchor)
        if stage < stages:
            x = _activate(config, keras, x, f"{prefix}{{}}4")
        if anchor:
            x = layers.add_repeated(keras, x, entry, 4, f"{prefix}anchor")
        if stage == stages:
            x = keras.layers.ReLU(name=f"{prefix}relu")(x)
        x = layers.depth_to_space(keras, 2, f"{prefix}shuffle")(x)
    # The model's name is part of every tensor name in the exported file: a short one saves flash.
    return keras.Model(image, x, name="sr")


@register("tinypssr", TinyPssrConfig, _PAPER, _PUBLISHED)
def build_tinypssr(config: TinyPssrConfig, keras: Any) -> Any:
    """TinyPSSR as published: (N,H,W,1) in [0, 1] to (N,sH,sW,1), not clipped above 1."""
    return _network(config, keras, anchor=False)


@register("tinypssr-anchor", TinyPssrConfig, _PAPER, _PUBLISHED)
def build_tinypssr_anchor(config: TinyPssrConfig, keras: Any) -> Any:
    """TinyPSSR that learns the residual to nearest-neighbour upscaling; shapes as `tinypssr`."""
    return _network(config, keras, anchor=True)
