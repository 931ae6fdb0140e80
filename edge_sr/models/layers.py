"""The layers that need saying once per Keras namespace.

Every function takes `keras`, the namespace (Keras 3 or tf_keras), so that an architecture is
written once and trained in the one and quantized in the other.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from edge_sr.errors import UserError


def is_keras_3(keras: Any) -> bool:
    """Whether the namespace is Keras 3 (tf_keras has no `ops`)."""
    return hasattr(keras, "ops")


def _function(keras: Any, name: str) -> Any:
    """ "depth_to_space" or "space_to_depth" of the namespace."""
    if is_keras_3(keras):
        return getattr(keras.ops, name)
    import tensorflow as tf

    return getattr(tf.nn, name)


@lru_cache(maxsize=2)
def _block_layer(keras: Any) -> type:
    class BlockLayer(keras.layers.Layer):
        """What moving blocks either way has in common."""

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
    """Pixel shuffle, TensorFlow's channel order: output channel c of sub-pixel (i, j) comes from
    input channel (i*block + j)*C + c.
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
    """The inverse of `depth_to_space`: input channel c of sub-pixel (i, j) becomes output channel
    (i*block + j)*C + c. Height and width must be multiples of the block.
    """
    return _space_to_depth_layer(keras)(block, name=name)


EDGES = np.array(
    [
        [[1, 0, -1], [2, 0, -2], [1, 0, -1]],
        [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],
        [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    ],
    np.float32,
)
"""Sobel's two filters and Laplace's (3,3,3): what the edge branches of a convolution start from."""


def edge_kernels(size: int) -> np.ndarray:
    """`EDGES` in the middle of kernels of an odd side of 3 or more: float32 (3,size,size)."""
    margin = (size - 3) // 2
    return np.pad(EDGES, ((0, 0), (margin, margin), (margin, margin)))


def middle_kernel(size: int, channels: int, filters: int) -> np.ndarray:
    """The kernel that hands the first channels on: float32 (size,size,channels,filters)."""
    kernel = np.zeros((size, size, channels, filters), np.float32)
    kernel[size // 2, size // 2] = np.eye(channels, filters)
    return kernel


def _carrying(keras: Any, kind: str, carries: np.ndarray | None, noise: float) -> Any:
    """An initializer of kernels (k,k,Cin,Cout) or matrices (Cin,Cout): random of that kind, times
    `noise`, plus `carries` (c,f) from the first c channels to the first f filters.
    """
    random = keras.initializers.get(kind)
    if carries is None:
        return random

    def start(shape: tuple[int, ...], dtype: Any = None) -> Any:
        handed_on = np.zeros(shape, np.float32)
        middle = handed_on[tuple(side // 2 for side in shape[:-2])]
        middle[: carries.shape[0], : carries.shape[1]] = carries
        return noise * random(shape, dtype) + handed_on

    return start


@lru_cache(maxsize=1)
def _expanded_conv_layer(keras: Any) -> type:
    class ExpandedConv2D(keras.layers.Layer):
        """A k x k convolution with more weights than it needs, linear in all of its branches.

        Its kernel is the product of a k x k one to `expand` channels and a 1x1 one back (SESR's
        collapsed training, Bhardwaj et al. 2022), and with `branches` (ECBSR, Zhang et al. 2021)
        the sum of that and of Sobel's and Laplace's filters, mixed by a 1x1 convolution, and of
        the identity, weighted. All of this happens in weight space, so a step costs hardly more
        than the plain convolution's.
        """

        def __init__(
            self,
            filters: int,
            kernel_size: int,
            expand: int,
            branches: bool,
            carries: np.ndarray | None,
            bias: float,
            noise: float,
            **kwargs: Any,
        ) -> None:
            super().__init__(**kwargs)
            self.filters, self.kernel_size, self.expand = filters, kernel_size, expand
            self.branches, self.carries = branches, carries
            self.start, self.randomness = bias, noise

        def build(self, shape: Any) -> None:
            k, channels = self.kernel_size, shape[-1]
            # Each factor at unit gain, so that their product starts as a plain kernel would.
            same = None if self.carries is None else np.eye(len(self.carries))
            wide = _carrying(keras, "lecun_normal", same, self.randomness)
            narrow = _carrying(keras, "lecun_normal", self.carries, self.randomness)
            self.wide = self.add_weight(
                shape=(k, k, channels, self.expand), initializer=wide, name="wide"
            )
            self.narrow = self.add_weight(
                shape=(self.expand, self.filters), initializer=narrow, name="narrow"
            )
            if self.branches:
                self.skip = self.add_weight(shape=(1,), initializer="zeros", name="skip")
            if self.branches and k >= 3:
                shape = (3, channels, self.filters)
                self.edges = self.add_weight(shape=shape, initializer="zeros", name="edges")
            start = keras.initializers.Constant(self.start)
            self.bias = self.add_weight(shape=(self.filters,), initializer=start, name="bias")
            self.built = True

        @property
        def kernel(self) -> Any:
            """The plain kernel (k,k,Cin,Cout) that the factors and branches amount to."""
            ops, k = keras.ops, self.kernel_size
            kernel = ops.matmul(self.wide, self.narrow)
            if self.branches:
                kernel += self.skip * middle_kernel(k, self.wide.shape[2], self.filters)
            if self.branches and k >= 3:
                kernel += ops.einsum("ehw,eio->hwio", edge_kernels(k), self.edges)
            return kernel

        def call(self, inputs: Any) -> Any:
            return keras.ops.conv(inputs, self.kernel, padding="same") + self.bias

        def compute_output_shape(self, shape: Any) -> tuple[int | None, ...]:
            return (*shape[:-1], self.filters)

    return ExpandedConv2D


def conv2d(
    keras: Any,
    filters: int,
    kernel_size: int,
    expand: int,
    branches: bool,
    name: str,
    carries: np.ndarray | None = None,
    bias: float = 0.0,
    noise: float = 1.0,
) -> Any:
    """A convolution, stride 1, zero 'same' padding, with bias.

    Args:
        keras: the namespace.
        filters: output channels.
        kernel_size: side of the square kernel, odd.
        expand: 0 for the plain layer; else the channels of the over-parameterized kernel that
            `checkpoint.fold` turns into the plain one (Keras 3 only: it exists to be trained).
        branches: with `expand`, add a residual branch and, to kernels of 3x3 and more, edge
            branches; folded like the rest.
        name: layer name; folding keeps it.
        carries: (c,f): how much of the first c channels the first f filters are handed when
            training starts, on top of what the random kernel gives.
        bias: what all biases start from.
        noise: how large the random part of the start is, 1 being the usual.
    """
    if expand:
        block = _expanded_conv_layer(keras)
        return block(filters, kernel_size, expand, branches, carries, bias, noise, name=name)
    # tf_keras cannot clone a start of our own, and never trains from one.
    start = (
        _carrying(keras, "glorot_uniform", carries, noise)
        if is_keras_3(keras)
        else "glorot_uniform"
    )
    return keras.layers.Conv2D(
        filters,
        kernel_size,
        padding="same",
        kernel_initializer=start,
        bias_initializer=keras.initializers.Constant(bias),
        name=name,
    )


def prelu(keras: Any, name: str) -> Any:
    """PReLU with one slope per channel, 0.25 at first (He et al. 2015; Keras would start at 0)."""
    start = keras.initializers.Constant(0.25)
    return keras.layers.PReLU(alpha_initializer=start, shared_axes=[1, 2], name=name)


@lru_cache(maxsize=2)
def _growing_cosine_layer(keras: Any) -> type:
    @keras.saving.register_keras_serializable(package="edge_sr")
    class GrowingCosine(keras.layers.Layer):
        """x * cos(x), the growing cosine unit (Noel et al. 2021)."""

        def call(self, inputs: Any) -> Any:
            return inputs * keras.ops.cos(inputs)

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    return GrowingCosine


def growing_cosine(keras: Any, name: str) -> Any:
    """x * cos(x).

    Raises:
        UserError: the namespace is tf_keras, which is for int8: TFLite has no int8 cosine.
    """
    if not is_keras_3(keras):
        raise UserError("TFLite has no int8 cosine: networks with gcu exist in float only")
    return _growing_cosine_layer(keras)(name=name)


_LEAK = 0.1


@lru_cache(maxsize=1)
def _unit_clip_layer(keras: Any) -> type:
    @keras.saving.register_keras_serializable(package="edge_sr")
    class UnitClip(keras.layers.Layer):
        """Clips to [0, 1]; in training a tenth of the gradient passes beyond, or a channel that
        has left would never come back.
        """

        def call(self, inputs: Any, training: Any = None) -> Any:
            clipped = keras.ops.clip(inputs, 0.0, 1.0)
            if not training:
                return clipped
            beyond = inputs - clipped
            return clipped + _LEAK * (beyond - keras.ops.stop_gradient(beyond))

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    return UnitClip


def unit_clip(keras: Any, name: str) -> Any:
    """Clips to [0, 1]."""
    if not is_keras_3(keras):  # it never trains by that gradient: ranges clip what is tuned
        return keras.layers.ReLU(max_value=1.0, name=name)
    return _unit_clip_layer(keras)(name=name)


def add_repeated(keras: Any, x: Any, image: Any, times: int, name: str) -> Any:
    """Add `image`, its channels repeated `times` times, to `x`.

    Before a depth-to-space of block b with times = b*b this adds the nearest-neighbour upscaled
    image to its output (the anchor of ABPN, Du et al. 2021).
    """
    repeated = keras.layers.Concatenate(name=f"{name}_repeat")([image] * times)
    return keras.layers.Add(name=name)([x, repeated])
