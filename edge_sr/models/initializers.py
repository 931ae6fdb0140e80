"""Initial values of convolutions: random kernels of a chosen size, on top of an identity.

A tiny network without a skip connection may start with nothing but zeros behind its last ReLU. An
identity in the kernels lets the image through from the first step on.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class ConvInit:
    """Initial values of a convolution; see `reparam.conv2d`.

    Attributes:
        identity: (c,f) added to the middle of the kernel, from the first c input channels to the
            first f filters, or None.
        bias: initial value of all biases, or of each (filters).
        scale: factor of the random part of the kernel.
    """

    identity: np.ndarray | None
    bias: float | np.ndarray
    scale: float

    def kernel(self, keras: Any) -> Any:
        """The initializer of a plain kernel (k,k,Cin,Cout)."""
        return identity_plus_random(keras, "glorot_uniform", self.identity, self.scale)


def identity_plus_random(keras: Any, kind: str, identity: np.ndarray | None, scale: float) -> Any:
    """An initializer of kernels (k,k,Cin,Cout) or matrices (Cin,Cout).

    Args:
        keras: the namespace.
        kind: name of Keras' random initializer.
        identity: (c,f), added from the first c input channels to the first f filters; or None.
        scale: factor of the random part.
    """
    random = keras.initializers.get(kind)
    if identity is None and scale == 1:
        return random

    def init(shape: tuple[int, ...], dtype: Any = None) -> Any:
        fixed = np.zeros(shape, np.float32)
        if identity is not None:
            middle = fixed[tuple(side // 2 for side in shape[:-2])]
            middle[: identity.shape[0], : identity.shape[1]] = identity
        return scale * random(shape, dtype) + fixed

    return init


def constant(keras: Any, values: float | np.ndarray) -> Any:
    """An initializer that gives these values: one number, or an array of the variable's shape."""
    if np.ndim(values) == 0:
        return keras.initializers.Constant(values)
    return lambda shape, dtype=None: keras.ops.convert_to_tensor(
        np.asarray(values, np.float32), dtype
    )


def identity_kernel(size: int, channels: int, filters: int) -> np.ndarray:
    """The kernel that copies the first channels: float32 (size,size,channels,filters)."""
    kernel = np.zeros((size, size, channels, filters), np.float32)
    kernel[size // 2, size // 2] = np.eye(channels, filters)
    return kernel
