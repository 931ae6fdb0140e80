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
"""

from typing import Any

import numpy as np

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


def _stage(config: ModelConfig, keras: Any, x: Any, prefix: str, carries: bool) -> Any:
    one, four = (np.ones((1, 1)), np.ones((1, 4))) if carries else (None, None)
    for number, (filters, kernel) in enumerate(((16, 5), (4, 1), (8, 5)), start=1):
        name = f"{prefix}conv{number}"
        x = layers.conv2d(keras, config, filters, kernel, name, carries=one)(x)
        x = layers.prelu(keras, f"{prefix}prelu{number}")(x)
    return layers.conv2d(keras, config, 4, 1, f"{prefix}conv4", carries=four)(x)


def _network(config: ModelConfig, keras: Any, anchor: bool) -> Any:
    image = x = keras.layers.Input((None, None, 1), name="image")
    stages = {2: 1, 4: 2}[config.scale]
    for stage in range(1, stages + 1):
        prefix = f"stage{stage}_"
        # Without anchor the image is handed on by the first channel, at first: else the last ReLU
        # may start black everywhere, and nothing is learned from black.
        entry, x = x, _stage(config, keras, x, prefix, carries=not anchor)
        if stage < stages:
            x = layers.prelu(keras, f"{prefix}prelu4")(x)
        if anchor:
            x = layers.add_repeated(keras, x, entry, 4, f"{prefix}anchor")
        if stage == stages:
            x = keras.layers.ReLU(name=f"{prefix}relu")(x)
        x = layers.depth_to_space(keras, 2, f"{prefix}shuffle")(x)
    # The name stands in every tensor of the exported file: a short one saves flash.
    return keras.Model(image, x, name="sr")


@register("tinypssr", ModelConfig, _PAPER, _PUBLISHED)
def build_tinypssr(config: ModelConfig, keras: Any) -> Any:
    """TinyPSSR as published: (N,H,W,1) in [0, 1] to (N,sH,sW,1), not clipped above 1."""
    return _network(config, keras, anchor=False)


@register("tinypssr-anchor", ModelConfig, _PAPER, _PUBLISHED)
def build_tinypssr_anchor(config: ModelConfig, keras: Any) -> Any:
    """TinyPSSR that learns the residual to nearest-neighbour upscaling; shapes as `tinypssr`."""
    return _network(config, keras, anchor=True)
