"""Normalized convolutions: the layer, and the folding of its weights."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from edge_sr.errors import UserError
from edge_sr.models.initializers import ConvInit

BATCH_EPSILON = 1e-3
"""Added to variances, as Keras' own BatchNormalization does."""

NORMALIZED = ("direction", "raw", "gain", "mean", "variance", "grey")
"""Variables of the layer that its plain kernel and bias replace."""

_MOMENTUM = 0.99


def normalized_conv2d(
    keras: Any, filters: int, kernel_size: int, norm: str, init: ConvInit, mean: Any, name: str
) -> Any:
    """A normalized convolution (N,H,W,Cin) to (N,H,W,filters), 'same' padding.

    Args:
        keras: Keras 3.
        filters: output channels.
        kernel_size: side of the square kernel, odd.
        norm: "none", "weight" or "batch".
        init: initial values of the plain convolution.
        mean: (Cin), subtracted from the padded input, or None.
        name: layer name.
    """
    return _layer(keras)(filters, kernel_size, norm, init, mean, name)


@lru_cache(maxsize=1)
def _layer(keras: Any) -> type:
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


def folded_norm(layer: str, parts: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The plain kernel and bias that a checkpoint's normalized convolution amounts to.

    Args:
        layer: its name, for errors.
        parts: the layer's variables by name.

    Returns:
        (k,k,Cin,Cout) and (Cout), float64.

    Raises:
        UserError: a variable is missing, or they do not fit each other.
    """
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
