"""Over-parameterized convolutions: the layer, and the folding of its weights."""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from edge_sr.errors import UserError
from edge_sr.models.initializers import (
    ConvInit,
    constant,
    identity_kernel,
    identity_plus_random,
)

EDGES = np.array(
    [
        [[1, 0, -1], [2, 0, -2], [1, 0, -1]],
        [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],
        [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    ],
    np.float32,
)
"""Both Sobel filters and the Laplacian (3,3,3), which the edge branches of a kernel mix."""

FACTORS = ("wide", "narrow", "skip", "edges")
"""Variables of the layer that its plain kernel replaces."""


def expanded_conv2d(
    keras: Any,
    filters: int,
    kernel_size: int,
    expand: int,
    branches: bool,
    init: ConvInit,
    name: str,
) -> Any:
    """An over-parameterized convolution (N,H,W,Cin) to (N,H,W,filters), 'same' padding.

    Args:
        keras: Keras 3.
        filters: output channels.
        kernel_size: side of the square kernel, odd.
        expand: channels through which the kernel is factored.
        branches: whether to add residual and edge branches.
        init: initial values of the plain convolution.
        name: layer name.
    """
    return _layer(keras)(filters, kernel_size, expand, branches, init, name)


def edge_kernels(size: int) -> np.ndarray:
    """`EDGES` in the middle of kernels of an odd side of 3 or more: float32 (3,size,size)."""
    margin = (size - 3) // 2
    return np.pad(EDGES, ((0, 0), (margin, margin), (margin, margin)))


@lru_cache(maxsize=1)
def _layer(keras: Any) -> type:
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


def folded_factors(layer: str, parts: Mapping[str, np.ndarray]) -> np.ndarray:
    """The plain kernel (k,k,Cin,Cout) that a checkpoint's factors and branches amount to.

    Args:
        layer: its name, for errors.
        parts: `FACTORS` by name, of which skip and edges may be missing.

    Returns:
        float64, as sums and products are taken in it.

    Raises:
        UserError: the parts do not fit each other.
    """
    wide, narrow = parts["wide"], parts.get("narrow")
    if wide.ndim != 4 or narrow is None or narrow.shape[:-1] != wide.shape[-1:]:
        raise UserError(f"the checkpoint is damaged: {layer}/wide has no {layer}/narrow that fits")
    kernel = wide.astype(np.float64) @ narrow.astype(np.float64)
    size, _, channels, filters = kernel.shape
    if "skip" in parts:
        if parts["skip"].shape != (1,):
            raise UserError(f"the checkpoint is damaged: {layer}/skip is not one number")
        kernel += parts["skip"].astype(np.float64) * identity_kernel(size, channels, filters)
    if "edges" in parts:
        if parts["edges"].shape != (3, channels, filters) or size < 3 or not size % 2:
            raise UserError(f"the checkpoint is damaged: {layer}/edges does not fit {layer}/wide")
        mix = parts["edges"].astype(np.float64)
        kernel += np.einsum("ehw,eio->hwio", edge_kernels(size), mix)
    return kernel
