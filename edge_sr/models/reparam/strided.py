"""A transposed convolution to one channel, written as a convolution before a depth-to-space.

Integer kernels and the streaming engine have plain convolutions only. While it trains, the layer
keeps the taps of the transposed convolution; folding turns them into the plain kernel.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from edge_sr.errors import UserError

STRIDED = "strided_"
"""Prefix of the taps' variable; the stride follows."""


def strided_placement(kernel_size: int, scale: int) -> np.ndarray:
    """Where the taps of a transposed convolution go: float32 (scale, k, kernel_size) of 0 and 1.

    Along one axis, sub-pixel p of pixel i of a transposed convolution with stride `scale`, cropped
    as TensorFlow's 'same' does, is the sum over j of x[i + j] times tap
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
    """The plain kernel of a transposed convolution with stride `scale`.

    Args:
        ops: numpy or keras.ops.
        kernel: the transposed convolution's (K,K,1,Cin).
        scale: its stride.

    Returns:
        (k,k,Cin,scale*scale): the same function, if a depth-to-space follows.
    """
    placement = strided_placement(kernel.shape[0], scale)
    placed = ops.einsum("pak,qbl,klc->abcpq", placement, placement, kernel[:, :, 0])
    return ops.reshape(placed, (*placed.shape[:3], scale**2))


@lru_cache(maxsize=1)
def _strided_conv_layer(keras: Any) -> type:
    ops = keras.ops

    class StridedConv2D(keras.layers.Layer):
        """(N,H,W,C) to (N,H,W,scale*scale), with the taps of a transposed convolution."""

        def __init__(self, kernel_size: int, scale: int, name: str) -> None:
            super().__init__(name=name)
            self.kernel_size, self.scale = kernel_size, scale

        def build(self, shape: Any) -> None:
            size, before = self.kernel_size, (self.kernel_size - self.scale) // 2

            def init(shape: tuple[int, ...], dtype: Any = None) -> Any:
                kernel = keras.random.normal(shape, stddev=0.001, dtype=dtype)
                repeats = np.zeros(shape, np.float32)
                repeats[before : before + self.scale, before : before + self.scale, :, 0] = 1
                return kernel + repeats

            self.taps = self.add_weight(
                shape=(size, size, 1, shape[-1]), initializer=init, name=f"{STRIDED}{self.scale}"
            )
            self.bias = self.add_weight(shape=(1,), initializer="zeros", name="bias")
            self.built = True

        @property
        def kernel(self) -> Any:
            """The plain kernel (k,k,Cin,scale*scale)."""
            return plain_of_strided(ops, self.taps, self.scale)

        @property
        def folded_bias(self) -> Any:
            """The plain bias (scale*scale)."""
            return ops.repeat(self.bias, self.scale**2)

        def call(self, inputs: Any) -> Any:
            return ops.conv(inputs, self.kernel, padding="same") + self.folded_bias

        def compute_output_shape(self, shape: Any) -> tuple[int | None, ...]:
            return (*shape[:-1], self.scale**2)

    return StridedConv2D


def strided_conv2d(keras: Any, config: Any, kernel_size: int, name: str) -> Any:
    """(N,H,W,C) to (N,H,W,scale*scale): with a depth-to-space, a transposed convolution.

    With that depth-to-space of the config's scale it is a transposed convolution to one channel,
    stride `scale`, 'same' padding, with bias. In its original form the layer has the transposed
    convolution's taps, and initially repeats the pixels of the first channel; in its folded form
    it is the plain convolution that computes the same.

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


def folded_strided(
    name: str, taps: np.ndarray, bias: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias of the plain convolution that a checkpoint's transposed one amounts to.

    Raises:
        UserError: the variables are not those of a transposed convolution.
    """
    scale = name.rpartition("_")[2]
    fits = taps.ndim == 4 and taps.shape[0] == taps.shape[1] >= 4 and taps.shape[2] == 1
    if scale not in ("2", "4") or not fits or bias is None or bias.shape != (1,):
        raise UserError(f"the checkpoint is damaged: {name} is not a transposed convolution")
    return plain_of_strided(np, taps, int(scale)), np.repeat(bias, int(scale) ** 2)
