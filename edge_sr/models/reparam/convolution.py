"""The convolution of all architectures, in the form that a model's config asks for."""

from typing import Any, Protocol

import numpy as np

from edge_sr.models.initializers import ConvInit, constant
from edge_sr.models.namespaces import is_keras_3
from edge_sr.models.reparam.expanded import expanded_conv2d
from edge_sr.models.reparam.normalized import normalized_conv2d

MEAN_RGB = np.array([0.4488, 0.4371, 0.4040], np.float32)
"""Mean colour of DIV2K's training images, in [0, 1] (Lim et al. 2017)."""


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
        config: the model's config, which states the form in which the convolution trains. Only the
            plain form works without Keras 3; `fold` turns the others into it.
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
        form = config.expand, bool(config.branches)
        return expanded_conv2d(keras, filters, kernel_size, *form, init, name)
    centre = mean if config.original else None
    if config.norm != "none" or centre is not None:
        return normalized_conv2d(keras, filters, kernel_size, config.norm, init, centre, name)
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
