"""Reparameterized convolutions: they train in one form, and fold to a plain convolution.

Three training forms exist, all of Keras 3 (tf_keras quantizes folded networks only):

- over-parameterized (`expand`, `branches`): the kernel is a product of two, plus fixed filters,
- normalized (`norm`): weight or batch normalization, and a mean colour subtracted,
- strided (`transposed.py`): the taps of a transposed convolution.

`conv2d` makes the layer that a model's config asks for; `fold` turns the weights of any form into
those of the plain convolution. Layer names stay.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from edge_sr.errors import UserError
from edge_sr.models import transposed
from edge_sr.models.initializers import (
    ConvInit,
    constant,
    identity_kernel,
    identity_plus_random,
)
from edge_sr.models.namespaces import is_keras_3

MEAN_RGB = np.array([0.4488, 0.4371, 0.4040], np.float32)
"""Mean colour of DIV2K's training images, in [0, 1] (Lim et al. 2017)."""

BATCH_EPSILON = 1e-3
"""Added to variances, as Keras' own BatchNormalization does."""
_MOMENTUM = 0.99

EDGES = np.array(
    [
        [[1, 0, -1], [2, 0, -2], [1, 0, -1]],
        [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],
        [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    ],
    np.float32,
)
"""Both Sobel filters and the Laplacian (3,3,3), which the edge branches of a kernel mix."""

_FACTORS = ("/wide", "/narrow", "/skip", "/edges")
_NORMALIZED = ("/direction", "/raw", "/gain", "/mean", "/variance", "/grey")


class TrainingForm(Protocol):
    """The part of a model's config that says in which form its convolutions train."""

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
        """1 for the form that the paper trains, where it differs from the plain one, else 0."""


def conv2d(
    keras: Any,
    config: TrainingForm,
    filters: int,
    kernel_size: int,
    name: str,
    *,
    identity_init: np.ndarray | None = None,
    bias_init: float | np.ndarray = 0.0,
    init_scale: float = 1.0,
    mean: np.ndarray | None = None,
) -> Any:
    """A convolution (N,H,W,Cin) to (N,H,W,filters), stride 1, zero 'same' padding, with bias.

    Args:
        keras: the namespace.
        config: of the model: the form in which the convolution trains. Every form but the plain one
            needs Keras 3; `fold` turns it into the plain one.
        filters: output channels.
        kernel_size: side of the square kernel, odd.
        name: layer name; folding keeps it.
        identity_init: (c,f): added to the middle of the initial kernel, from the first c input
            channels to the first f filters.
        bias_init: initial value of all biases, or of each (filters).
        init_scale: factor of the random part of the initial kernel; 1 is Glorot's.
        mean: (Cin): what the paper subtracts from its input. Here it is subtracted after padding;
            over-parameterized convolutions do not subtract it.
    """
    init = ConvInit(identity_init, bias_init, init_scale)
    if config.expand:
        layer = _expanded_conv_layer(keras)
        return layer(filters, kernel_size, config.expand, bool(config.branches), init, name)
    centre = mean if config.original else None
    if config.norm != "none" or centre is not None:
        layer = _normalized_conv_layer(keras)
        return layer(filters, kernel_size, config.norm, init, centre, name)
    # tf_keras cannot clone initializers of our own, and never trains from an initial value.
    ours = is_keras_3(keras)
    return keras.layers.Conv2D(
        filters,
        kernel_size,
        padding="same",
        kernel_initializer=init.kernel(keras) if ours else "glorot_uniform",
        bias_initializer=constant(keras, bias_init) if ours else "zeros",
        name=name,
    )


def repeating_conv2d(
    keras: Any, config: Any, kernel_size: int, name: str, init_scale: float
) -> Any:
    """A convolution (N,H,W,3) to (N,H,W,3*scale*scale) that initially repeats each pixel.

    It comes before a depth-to-space of the config's scale. `init_scale` is as in `conv2d`.
    """
    pixels = config.scale**2
    return conv2d(
        keras,
        config,
        3 * pixels,
        kernel_size,
        name,
        identity_init=np.tile(np.eye(3), (1, pixels)),
        bias_init=np.tile(MEAN_RGB, pixels) if config.original else 0.0,
        init_scale=init_scale,
        mean=MEAN_RGB,
    )


def edge_kernels(size: int) -> np.ndarray:
    """`EDGES` in the middle of kernels of an odd side of 3 or more: float32 (3,size,size)."""
    margin = (size - 3) // 2
    return np.pad(EDGES, ((0, 0), (margin, margin), (margin, margin)))


@lru_cache(maxsize=1)
def _expanded_conv_layer(keras: Any) -> type:
    class ExpandedConv2D(keras.layers.Layer):
        """An over-parameterized k x k convolution, linear in all of its branches.

        The kernel is the product of a k x k kernel to `expand` channels and a 1 x 1 kernel back
        (SESR's collapsible block, Bhardwaj et al. 2022, https://arxiv.org/abs/2103.09404). With
        `branches` (ECBSR, Zhang et al. 2021, https://doi.org/10.1145/3474085.3475291) a weighted
        identity is added, and Sobel and Laplacian filters mixed by a 1 x 1 convolution. The kernel
        is computed in weight space, so a step costs hardly more than the plain convolution's.
        """

        def __init__(
            self,
            filters: int,
            kernel_size: int,
            expand: int,
            branches: bool,
            init: ConvInit,
            name: str,
        ) -> None:
            super().__init__(name=name)
            self.filters, self.kernel_size, self.expand = filters, kernel_size, expand
            self.branches, self.init = branches, init

        def build(self, shape: Any) -> None:
            k, channels = self.kernel_size, shape[-1]
            wide, narrow = self._factors()
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
            bias = constant(keras, self.init.bias)
            self.bias = self.add_weight(shape=(self.filters,), initializer=bias, name="bias")
            self.built = True

        def _factors(self) -> tuple[Any, Any]:
            """Initializers of both factors; their product has the size of a plain kernel."""
            first = second = None
            scale = math.sqrt(self.init.scale)
            if self.init.identity is not None:
                second = self.init.identity[: self.expand]
                first = np.eye(len(second))
                scale = self.init.scale
            return (
                identity_plus_random(keras, "lecun_normal", first, scale),
                identity_plus_random(keras, "lecun_normal", second, scale),
            )

        @property
        def folded_bias(self) -> Any:
            """The plain bias (Cout)."""
            return self.bias

        @property
        def kernel(self) -> Any:
            """The plain kernel (k,k,Cin,Cout) that the factors and branches amount to."""
            ops, k = keras.ops, self.kernel_size
            kernel = ops.matmul(self.wide, self.narrow)
            if self.branches:
                kernel += self.skip * identity_kernel(k, self.wide.shape[2], self.filters)
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
        """A k x k convolution that is normalized while it trains; its input may be centred.

        With norm "weight" (Salimans and Kingma 2016, https://arxiv.org/abs/1602.07868) each filter
        is a direction and a length. With "batch" (Ioffe and Szegedy 2015,
        https://arxiv.org/abs/1502.03167) the output gets mean 0 and variance 1 over the batch, then
        a gain and a bias; outside training, running averages replace the batch's statistics. A
        `mean` is subtracted after padding, so that it folds into the bias at the border as well.
        """

        def __init__(
            self, filters: int, kernel_size: int, norm: str, init: ConvInit, mean: Any, name: str
        ) -> None:
            super().__init__(name=name)
            self.filters, self.kernel_size, self.norm = filters, kernel_size, norm
            self.init, self.centre = init, mean

        def build(self, shape: Any) -> None:
            kernel = (self.kernel_size, self.kernel_size, shape[-1], self.filters)
            values = np.asarray(
                ops.convert_to_numpy(self.init.kernel(keras)(kernel, "float32")), np.float32
            )
            self.direction = self._parameter(
                "direction" if self.norm == "weight" else "raw", values
            )
            if self.norm != "none":
                length = np.sqrt(np.square(values).sum(axis=(0, 1, 2)))
                gain = length if self.norm == "weight" else np.ones(self.filters)
                self.gain = self._parameter("gain", gain)
            bias = np.broadcast_to(np.asarray(self.init.bias), self.filters)
            self.bias = self._parameter("bias", bias)
            self.kept: list[Any] = []
            if self.norm == "batch":
                self.mean = self._parameter("mean", np.zeros(self.filters), kept=True)
                self.variance = self._parameter("variance", np.ones(self.filters), kept=True)
            if self.centre is not None:
                self.grey = self._parameter("grey", self.centre, kept=True)
            self.built = True

        def _parameter(self, name: str, values: Any, kept: bool = False) -> Any:
            """A variable of these values; one that is kept is not trained, but folding needs it."""
            values = np.asarray(values, np.float32)
            variable = self.add_weight(
                shape=values.shape,
                initializer=lambda shape, dtype=None: ops.convert_to_tensor(values, dtype),
                trainable=not kept,
                name=name,
            )
            if kept:
                self.kept.append(variable)
            return variable

        @property
        def kernel(self) -> Any:
            """The plain kernel (k,k,Cin,Cout)."""
            if self.norm == "weight":
                return self.direction * (self.gain * ops.rsqrt(_squares(ops, self.direction)))
            if self.norm == "batch":
                return self.direction * (self.gain * ops.rsqrt(self.variance + BATCH_EPSILON))
            return self.direction

        @property
        def folded_bias(self) -> Any:
            """The plain bias (Cout)."""
            bias = self.bias
            if self.norm == "batch":
                bias = bias - self.mean * self.gain * ops.rsqrt(self.variance + BATCH_EPSILON)
            if self.centre is not None:
                bias = bias - ops.einsum("hwio,i->o", self.kernel, self.grey)
            return bias

        def call(self, inputs: Any, training: Any = None) -> Any:
            if self.norm != "batch" or not training:
                return ops.conv(inputs, self.kernel, padding="same") + self.folded_bias
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


def _squares(ops: Any, kernel: Any) -> Any:
    """Squared length of each filter (Cout)."""
    return ops.maximum(ops.sum(ops.square(kernel), axis=(0, 1, 2)), 1e-24)


def fold(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights of the plain convolutions that compute the same as reparameterized ones.

    Args:
        weights: float32 arrays by "layer/variable", as in `checkpoint.Checkpoint`. These become
            `layer/kernel` (k,k,Cin,Cout); sums and products are taken in float64:

            - `layer/wide` (k,k,Cin,E), `layer/narrow` (E,Cout) and, if present, `layer/skip` (1)
              and `layer/edges` (3,Cin,Cout);
            - `layer/direction` or `layer/raw` (k,k,Cin,Cout) with `gain`, `mean`, `variance` (Cout)
              and `grey` (Cin), which change `layer/bias` as well;
            - `layer/strided_s` (K,K,1,Cin), which changes `layer/bias` as well.

    Raises:
        UserError: the variables of a layer do not fit each other.
    """
    folded = {
        name: array
        for name, array in weights.items()
        if not name.endswith((*_FACTORS, *_NORMALIZED))
        and not name.rpartition("/")[2].startswith(transposed.STRIDED)
    }
    for name in weights:
        layer, _, kind = name.rpartition("/")
        if kind == "wide":
            parts = {p: weights[f"{layer}{p}"] for p in _FACTORS if f"{layer}{p}" in weights}
            folded[f"{layer}/kernel"] = _folded_factors(layer, parts).astype(np.float32)
            continue
        if kind in ("direction", "raw"):
            parts = {
                n.rpartition("/")[2]: a for n, a in weights.items() if n.startswith(f"{layer}/")
            }
            kernel, bias = _folded_norm(layer, parts)
        elif kind.startswith(transposed.STRIDED):
            bias_of_layer = weights.get(f"{layer}/bias")
            kernel, bias = transposed.folded_strided(name, weights[name], bias_of_layer)
        else:
            continue
        folded[f"{layer}/kernel"] = kernel.astype(np.float32)
        folded[f"{layer}/bias"] = bias.astype(np.float32)
    return folded


def _folded_factors(layer: str, parts: Mapping[str, np.ndarray]) -> np.ndarray:
    """The kernel that factors and branches amount to, in float64."""
    wide, narrow = parts["/wide"], parts.get("/narrow")
    if wide.ndim != 4 or narrow is None or narrow.shape[:-1] != wide.shape[-1:]:
        raise UserError(f"the checkpoint is damaged: {layer}/wide has no {layer}/narrow that fits")
    kernel = wide.astype(np.float64) @ narrow.astype(np.float64)
    size, _, channels, filters = kernel.shape
    if "/skip" in parts:
        if parts["/skip"].shape != (1,):
            raise UserError(f"the checkpoint is damaged: {layer}/skip is not one number")
        kernel += parts["/skip"].astype(np.float64) * identity_kernel(size, channels, filters)
    if "/edges" in parts:
        if parts["/edges"].shape != (3, channels, filters) or size < 3 or not size % 2:
            raise UserError(f"the checkpoint is damaged: {layer}/edges does not fit {layer}/wide")
        mix = parts["/edges"].astype(np.float64)
        kernel += np.einsum("ehw,eio->hwio", edge_kernels(size), mix)
    return kernel


def _folded_norm(layer: str, parts: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias that a normalized convolution amounts to, in float64."""
    wide = {name: array.astype(np.float64) for name, array in parts.items()}
    kernel = wide["direction"] if "direction" in wide else wide["raw"]
    _check_norm(layer, kernel.shape, parts)
    bias = wide["bias"]
    if "direction" in wide:
        squares = np.maximum(np.square(kernel).sum(axis=(0, 1, 2)), 1e-24)
        kernel = kernel * (wide["gain"] / np.sqrt(squares))
    elif "gain" in wide:
        factor = wide["gain"] / np.sqrt(wide["variance"] + BATCH_EPSILON)
        kernel, bias = kernel * factor, bias - wide["mean"] * factor
    if "grey" in wide:
        bias = bias - np.einsum("hwio,i->o", kernel, wide["grey"])
    return kernel, bias


def _check_norm(layer: str, kernel: tuple[int, ...], parts: Mapping[str, np.ndarray]) -> None:
    """Refuse variables that are missing or do not fit a kernel."""
    needed = {"bias", "gain"} if "direction" in parts else {"bias"}
    if "raw" in parts and "gain" in parts:
        needed = {"bias", "gain", "mean", "variance"}
    shapes = dict.fromkeys(needed, kernel[3:])
    if "grey" in parts:
        shapes["grey"] = kernel[2:3]
    found = {name: parts[name].shape if name in parts else None for name in shapes}
    negative = "variance" in parts and parts["variance"].min(initial=0) < 0
    if len(kernel) != 4 or found != shapes or negative:
        raise UserError(f"the checkpoint is damaged: the parts of {layer} do not fit each other")
