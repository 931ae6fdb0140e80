"""SRCNN: three convolutions that sharpen a bicubically enlarged image.

C. Dong et al., "Image Super-Resolution Using Deep Convolutional Networks", 2016,
https://arxiv.org/abs/1501.00092, the 9-5-5 network. NHWC, one channel in [0, 1], s the scale:

    (N,H,W,1) - bicubic xs - conv 9x9,64 - ReLU - conv 5x5,32 - ReLU - conv 5x5,1 - (N,sH,sW,1)

The paper's count is of convolution weights only. The output is not clipped.

Deviations from the paper: the bicubic enlargement is inside the graph, so that the network takes
the same input as all others. It is a 5x5 convolution with fixed weights, one filter for each
sub-pixel, and a depth-to-space: MATLAB's bicubic (Keys' kernel, a = -0.5), except at the two pixels
along the border, where zeros replace repeated edges. Convolutions are zero-padded to keep the size,
and initially the first channel carries the image.
"""

from functools import partial
from typing import Any

import numpy as np

from edge_sr.models import layers, reparam
from edge_sr.models.registry import LayerCounts, ModelConfig, register

_PAPER = "Dong et al. 2016, Image Super-Resolution Using Deep Convolutional Networks"

_PUBLISHED: dict[int, LayerCounts] = {
    scale: (
        (f"bicubic conv 5x5x{scale**2}", 25 * scale**2),
        ("pixel shuffle", 0),
        ("conv 9x9x64", 5248),
        ("conv 5x5x32", 51232),
        ("conv 5x5x1", 801),
    )
    for scale in (2, 4)
}


def _cubic(distance: float) -> float:
    """Keys' kernel, a = -0.5."""
    x = abs(distance)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def bicubic_kernel(scale: int) -> np.ndarray:
    """Filters float32 (5,5,1,scale*scale) that enlarge bicubically before a depth-to-space."""
    lines = np.array(
        [
            [_cubic((2 * phase + 1 - scale) / (2 * scale) - tap) for tap in range(-2, 3)]
            for phase in range(scale)
        ]
    )
    square = np.einsum("pa,qb->abpq", lines, lines)
    return square.reshape(5, 5, 1, scale**2).astype(np.float32)


@register("srcnn", ModelConfig, _PAPER, _PUBLISHED, family="adam")
def build_srcnn(config: ModelConfig, keras: Any) -> Any:
    """SRCNN 9-5-5: (N,H,W,1) in [0, 1] to (N,sH,sW,1), not clipped."""
    conv = partial(reparam.conv2d, keras, config, identity_init=np.ones((1, 1)))
    image = keras.layers.Input((None, None, 1), name="image")
    bicubic = keras.layers.Conv2D(
        config.scale**2, 5, padding="same", use_bias=False, trainable=False, name="bicubic"
    )
    x = bicubic(image)
    bicubic.set_weights([bicubic_kernel(config.scale)])
    x = layers.depth_to_space(keras, config.scale, "shuffle")(x)
    for number, (filters, kernel) in enumerate(((64, 9), (32, 5)), start=1):
        x = conv(filters, kernel, f"conv{number}")(x)
        x = keras.layers.ReLU(name=f"relu{number}")(x)
    return keras.Model(image, conv(1, 5, "conv3")(x), name="sr")
