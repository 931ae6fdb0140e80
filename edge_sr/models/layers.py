"""Layers without weights that differ between Keras 3 and tf_keras.

Every function takes `keras`, the namespace (Keras 3 or tf_keras), so that an architecture is
written once, trained in Keras 3 and quantized in tf_keras. Tensors are NHWC.
"""

import math
from functools import lru_cache
from typing import Any

from edge_sr.models.namespaces import is_keras_3


def _function(keras: Any, name: str) -> Any:
    """Return "depth_to_space" or "space_to_depth" of the namespace."""
    if is_keras_3(keras):
        return getattr(keras.ops, name)
    import tensorflow as tf

    return getattr(tf.nn, name)


@lru_cache(maxsize=2)
def _block_layer(keras: Any) -> type:
    class BlockLayer(keras.layers.Layer):
        """Base class of `DepthToSpace` and `SpaceToDepth`."""

        def __init__(self, block: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.block = block

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "block": self.block}

    return BlockLayer


@lru_cache(maxsize=2)
def _depth_to_space_layer(keras: Any) -> type:
    function = _function(keras, "depth_to_space")
    base: Any = _block_layer(keras)

    @keras.saving.register_keras_serializable(package="edge_sr")
    class DepthToSpace(base):
        """Moves blocks of channels to blocks of pixels: (N,H,W,b*b*C) to (N,bH,bW,C)."""

        def call(self, inputs: Any) -> Any:
            return function(inputs, self.block)

        def compute_output_shape(self, shape: Any) -> tuple[int | None, ...]:
            n, h, w, c = shape
            block = self.block
            return (n, h and h * block, w and w * block, c // block**2)

    return DepthToSpace


def depth_to_space(keras: Any, block: int, name: str) -> Any:
    """Pixel shuffle (N,H,W,b*b*C) to (N,bH,bW,C), in TensorFlow's channel order.

    Output channel c of sub-pixel (i, j) comes from input channel (i*block + j)*C + c.
    """
    return _depth_to_space_layer(keras)(block, name=name)


@lru_cache(maxsize=2)
def _space_to_depth_layer(keras: Any) -> type:
    function = _function(keras, "space_to_depth")
    base: Any = _block_layer(keras)

    @keras.saving.register_keras_serializable(package="edge_sr")
    class SpaceToDepth(base):
        """Moves blocks of pixels to blocks of channels: (N,bH,bW,C) to (N,H,W,b*b*C)."""

        def call(self, inputs: Any) -> Any:
            return function(inputs, self.block)

        def compute_output_shape(self, shape: Any) -> tuple[int | None, ...]:
            n, h, w, c = shape
            block = self.block
            return (n, h and h // block, w and w // block, c * block**2)

    return SpaceToDepth


def space_to_depth(keras: Any, block: int, name: str) -> Any:
    """The inverse of `depth_to_space`: (N,bH,bW,C) to (N,H,W,b*b*C).

    Input channel c of sub-pixel (i, j) becomes output channel (i*block + j)*C + c. Height and
    width must be multiples of the block.
    """
    return _space_to_depth_layer(keras)(block, name=name)


_MAX_CONCATENATED = 10
"""The most tensors that TFLM's CONCATENATION takes."""


def add_repeated(keras: Any, x: Any, image: Any, times: int, name: str) -> Any:
    """Add `image` (N,H,W,C), its channels repeated `times` times, to `x` (N,H,W,times*C).

    Before a depth-to-space of block b with times = b*b this adds the nearest-neighbour upscaled
    image to its output: the anchor of ABPN (Du et al. 2021, "Anchor-based Plain Net for Mobile
    Image Super-Resolution", https://arxiv.org/abs/2105.09750).
    """
    if times > _MAX_CONCATENATED:
        root = math.isqrt(times)
        image = keras.layers.Concatenate(name=f"{name}_row")([image] * root)
        times = root
    repeated = keras.layers.Concatenate(name=f"{name}_repeat")([image] * times)
    return keras.layers.Add(name=name)([x, repeated])
