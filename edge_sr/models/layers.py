"""The layers that need saying once per Keras namespace.

Every function takes `keras`, the namespace (Keras 3 or tf_keras), so that an architecture is
written once and trained in the one and quantized in the other.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from edge_sr.errors import UserError


class Unfolded(Protocol):
    """The part of a model's config that tells what form its convolutions have while they train."""

    @property
    def expand(self) -> int:
        """0, or the channels through which each kernel is factored."""

    @property
    def branches(self) -> int:
        """1 to add residual and edge branches to those kernels, else 0."""

    @property
    def norm(self) -> str:
        """ "none", "weight" or "batch"."""

    @property
    def original(self) -> int:
        """1 for what the paper trains, where that differs from the plain form, else 0."""


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
    if carries is None and noise == 1:
        return random

    def start(shape: tuple[int, ...], dtype: Any = None) -> Any:
        handed_on = np.zeros(shape, np.float32)
        if carries is not None:
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
            bias: float | np.ndarray,
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
            same = carried = None
            if self.carries is not None:
                carried = self.carries[: self.expand]
                same = np.eye(len(carried))
            noise = self.randomness if self.carries is not None else math.sqrt(self.randomness)
            wide = _carrying(keras, "lecun_normal", same, noise)
            narrow = _carrying(keras, "lecun_normal", carried, noise)
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
            start = _constant(keras, self.start)
            self.bias = self.add_weight(shape=(self.filters,), initializer=start, name="bias")
            self.built = True

        @property
        def offset(self) -> Any:
            """What is added (Cout)."""
            return self.bias

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


@lru_cache(maxsize=1)
def _normalized_conv_layer(keras: Any) -> type:
    ops = keras.ops

    class NormalizedConv2D(keras.layers.Layer):
        """A k x k convolution that is normalized while it trains, and may see a centred image.

        With the norm "weight" (Salimans and Kingma 2016) each filter is a direction and a length.
        With "batch" (Ioffe and Szegedy 2015) what it gives is brought to mean 0 and variance 1
        over the batch, then scaled and shifted; what is kept of mean and variance stands in when
        it does not train. With a mean, that is subtracted from the image after it is padded, so
        that a bias amounts to the same at the border as well.
        """

        def __init__(
            self, filters: int, kernel_size: int, norm: str, start: "_Start", mean: Any, name: str
        ) -> None:
            super().__init__(name=name)
            self.filters, self.kernel_size, self.norm = filters, kernel_size, norm
            self.start, self.centre = start, mean

        def build(self, shape: Any) -> None:
            kernel = (self.kernel_size, self.kernel_size, shape[-1], self.filters)
            values = np.asarray(
                ops.convert_to_numpy(self.start.kernel(keras)(kernel, "float32")), np.float32
            )
            self.direction = self._parameter(
                "direction" if self.norm == "weight" else "raw", values
            )
            if self.norm != "none":
                length = np.sqrt(np.square(values).sum(axis=(0, 1, 2)))
                gain = length if self.norm == "weight" else np.ones(self.filters)
                self.gain = self._parameter("gain", gain)
            bias = np.broadcast_to(np.asarray(self.start.bias), self.filters)
            self.bias = self._parameter("bias", bias)
            self.kept: list[Any] = []
            if self.norm == "batch":
                self.mean = self._parameter("mean", np.zeros(self.filters), kept=True)
                self.variance = self._parameter("variance", np.ones(self.filters), kept=True)
            if self.centre is not None:
                self.grey = self._parameter("grey", self.centre, kept=True)
            self.built = True

        def _parameter(self, name: str, values: Any, kept: bool = False) -> Any:
            values = np.asarray(values, np.float32)
            found = self.add_weight(
                shape=values.shape,
                initializer=lambda shape, dtype=None: ops.convert_to_tensor(values, dtype),
                trainable=not kept,
                name=name,
            )
            if kept:
                self.kept.append(found)
            return found

        @property
        def kernel(self) -> Any:
            """The plain kernel (k,k,Cin,Cout)."""
            if self.norm == "weight":
                return self.direction * (self.gain * ops.rsqrt(_squares(ops, self.direction)))
            if self.norm == "batch":
                return self.direction * (self.gain * ops.rsqrt(self.variance + BATCH_EPSILON))
            return self.direction

        @property
        def offset(self) -> Any:
            """The plain bias (Cout)."""
            bias = self.bias
            if self.norm == "batch":
                bias = bias - self.mean * self.gain * ops.rsqrt(self.variance + BATCH_EPSILON)
            if self.centre is not None:
                bias = bias - ops.einsum("hwio,i->o", self.kernel, self.grey)
            return bias

        def call(self, inputs: Any, training: Any = None) -> Any:
            if self.norm != "batch" or not training:
                return ops.conv(inputs, self.kernel, padding="same") + self.offset
            raw = ops.conv(inputs, self.direction, padding="same")
            if self.centre is not None:
                raw = raw - ops.einsum("hwio,i->o", self.direction, self.grey)
            mean, variance = ops.moments(raw, axes=(0, 1, 2))
            self.mean.assign(_MOMENTUM * self.mean + (1 - _MOMENTUM) * mean)
            self.variance.assign(_MOMENTUM * self.variance + (1 - _MOMENTUM) * variance)
            return (raw - mean) * ops.rsqrt(variance + BATCH_EPSILON) * self.gain + self.bias

        def compute_output_shape(self, shape: Any) -> tuple[int | None, ...]:
            return (*shape[:-1], self.filters)

    return NormalizedConv2D


BATCH_EPSILON = 1e-3
"""Added to variances, as Keras' own BatchNormalization does."""
_MOMENTUM = 0.99


def _squares(ops: Any, kernel: Any) -> Any:
    """Squared length of each filter (Cout)."""
    return ops.maximum(ops.sum(ops.square(kernel), axis=(0, 1, 2)), 1e-24)


@dataclass(frozen=True)
class _Start:
    """What a convolution starts from; see `conv2d`."""

    carries: np.ndarray | None
    bias: float | np.ndarray
    noise: float

    def kernel(self, keras: Any) -> Any:
        return _carrying(keras, "glorot_uniform", self.carries, self.noise)


def conv2d(
    keras: Any,
    config: Unfolded,
    filters: int,
    kernel_size: int,
    name: str,
    *,
    carries: np.ndarray | None = None,
    bias: float | np.ndarray = 0.0,
    noise: float = 1.0,
    mean: np.ndarray | None = None,
) -> Any:
    """A convolution, stride 1, zero 'same' padding, with bias.

    Args:
        keras: the namespace.
        config: of the model: what form the convolution has while it trains; `checkpoint.fold`
            turns every form into the plain one (Keras 3 only: they exist to be trained).
        filters: output channels.
        kernel_size: side of the square kernel, odd.
        name: layer name; folding keeps it.
        carries: (c,f): how much of the first c channels the first f filters are handed when
            training starts, on top of what the random kernel gives.
        bias: what all biases start from, or each (filters).
        noise: how large the random part of the start is, 1 being the usual.
        mean: (Cin): what the paper subtracts from the input, here from the padded one; where
            kernels are factored nothing is.
    """
    start = _Start(carries, bias, noise)
    if config.expand:
        block = _expanded_conv_layer(keras)
        wide = config.expand, bool(config.branches)
        return block(filters, kernel_size, *wide, carries, bias, noise, name=name)
    centre = mean if config.original else None
    if config.norm != "none" or centre is not None:
        block = _normalized_conv_layer(keras)
        return block(filters, kernel_size, config.norm, start, centre, name)
    # tf_keras cannot clone a start of our own, and never trains from one.
    ours = is_keras_3(keras)
    return keras.layers.Conv2D(
        filters,
        kernel_size,
        padding="same",
        kernel_initializer=start.kernel(keras) if ours else "glorot_uniform",
        bias_initializer=_constant(keras, bias) if ours else "zeros",
        name=name,
    )


def strided_placement(kernel_size: int, scale: int) -> np.ndarray:
    """Where the taps of a transposed convolution go: float32 (scale, k, kernel_size) of 0 and 1.

    Along one axis, sub-pixel p of pixel i of a convolution with stride `scale`, transposed and
    cropped as TensorFlow's 'same' does, is the sum over j of x[i + j] times tap
    p + (kernel_size - scale) // 2 - scale * j. The entry (p, j + k // 2, tap) is 1.
    """
    before = (kernel_size - scale) // 2
    reach = max((kernel_size - 1 - before) // scale, (scale - 1 + before) // scale)
    placement = np.zeros((scale, 2 * reach + 1, kernel_size), np.float32)
    for phase in range(scale):
        for j in range(-reach, reach + 1):
            tap = phase + before - scale * j
            if 0 <= tap < kernel_size:
                placement[phase, j + reach, tap] = 1
    return placement


def plain_of_strided(ops: Any, kernel: Any, scale: int) -> Any:
    """The kernel (k,k,Cin,scale*scale) that, before a depth-to-space, does what a transposed
    convolution with `kernel` (K,K,1,Cin) and that stride does; `ops` is numpy or keras.ops.
    """
    placement = strided_placement(kernel.shape[0], scale)
    placed = ops.einsum("pak,qbl,klc->abcpq", placement, placement, kernel[:, :, 0])
    return ops.reshape(placed, (*placed.shape[:3], scale**2))


@lru_cache(maxsize=1)
def _strided_conv_layer(keras: Any) -> type:
    ops = keras.ops

    class StridedConv2D(keras.layers.Layer):
        """A transposed convolution to one channel, as a convolution before a depth-to-space."""

        def __init__(self, kernel_size: int, scale: int, name: str) -> None:
            super().__init__(name=name)
            self.kernel_size, self.scale = kernel_size, scale

        def build(self, shape: Any) -> None:
            size, before = self.kernel_size, (self.kernel_size - self.scale) // 2

            def start(shape: tuple[int, ...], dtype: Any = None) -> Any:
                kernel = keras.random.normal(shape, stddev=0.001, dtype=dtype)
                repeats = np.zeros(shape, np.float32)
                repeats[before : before + self.scale, before : before + self.scale, :, 0] = 1
                return kernel + repeats

            self.taps = self.add_weight(
                shape=(size, size, 1, shape[-1]), initializer=start, name=f"strided_{self.scale}"
            )
            self.bias = self.add_weight(shape=(1,), initializer="zeros", name="bias")
            self.built = True

        @property
        def kernel(self) -> Any:
            """The plain kernel (k,k,Cin,scale*scale)."""
            return plain_of_strided(ops, self.taps, self.scale)

        @property
        def offset(self) -> Any:
            """The plain bias (scale*scale)."""
            return ops.repeat(self.bias, self.scale**2)

        def call(self, inputs: Any) -> Any:
            return ops.conv(inputs, self.kernel, padding="same") + self.offset

        def compute_output_shape(self, shape: Any) -> tuple[int | None, ...]:
            return (*shape[:-1], self.scale**2)

    return StridedConv2D


def strided_conv2d(keras: Any, config: Any, kernel_size: int, name: str) -> Any:
    """What, with a depth-to-space of the config's scale behind it, is a transposed convolution to
    one channel, stride `scale`, 'same' padding, with bias: (N,H,W,C) to (N,H,W,scale*scale).

    The original has the taps of the transposed convolution, and starts by repeating the pixels of
    the first channel; the folded one is the plain convolution that computes the same.

    Args:
        keras: the namespace.
        config: of the model.
        kernel_size: side of the transposed convolution's kernel.
        name: layer name; folding keeps it.
    """
    if config.original:
        return _strided_conv_layer(keras)(kernel_size, config.scale, name)
    side = strided_placement(kernel_size, config.scale).shape[1]
    return keras.layers.Conv2D(config.scale**2, side, padding="same", name=name)


MEAN_RGB = np.array([0.4488, 0.4371, 0.4040], np.float32)
"""Mean colour of DIV2K's training images, in [0, 1] (Lim et al. 2017)."""


def repeating_conv2d(keras: Any, config: Any, kernel_size: int, name: str, noise: float) -> Any:
    """A convolution of an RGB image, to come before a depth-to-space of the config's scale.

    When training starts it repeats each pixel; on top of that comes `noise`, as in `conv2d`.
    """
    pixels = config.scale**2
    return conv2d(
        keras,
        config,
        3 * pixels,
        kernel_size,
        name,
        carries=np.tile(np.eye(3), (1, pixels)),
        bias=np.tile(MEAN_RGB, pixels) if config.original else 0.0,
        noise=noise,
        mean=MEAN_RGB,
    )


def _constant(keras: Any, values: float | np.ndarray) -> Any:
    """An initializer that gives these values."""
    if np.ndim(values) == 0:
        return keras.initializers.Constant(values)
    return lambda shape, dtype=None: keras.ops.convert_to_tensor(
        np.asarray(values, np.float32), dtype
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


_MOST_JOINED = 10
"""Tensors that TFLM's CONCATENATION takes."""


def add_repeated(keras: Any, x: Any, image: Any, times: int, name: str) -> Any:
    """Add `image`, its channels repeated `times` times, to `x`.

    Before a depth-to-space of block b with times = b*b this adds the nearest-neighbour upscaled
    image to its output (the anchor of ABPN, Du et al. 2021).
    """
    if times > _MOST_JOINED:
        root = math.isqrt(times)
        image = keras.layers.Concatenate(name=f"{name}_row")([image] * root)
        times = root
    repeated = keras.layers.Concatenate(name=f"{name}_repeat")([image] * times)
    return keras.layers.Add(name=name)([x, repeated])
