"""Activation layers that Keras lacks, or that start from other values here.

Every function takes `keras`, the namespace (Keras 3 or tf_keras). Tensors are NHWC; the shape
stays.
"""

from functools import lru_cache
from typing import Any

from edge_sr.errors import UserError
from edge_sr.models.namespaces import is_keras_3


def prelu(keras: Any, name: str) -> Any:
    """PReLU with one alpha per channel, initially 0.25.

    He et al. 2015, "Delving Deep into Rectifiers", https://arxiv.org/abs/1502.01852. Keras would
    start from 0.
    """
    alpha = keras.initializers.Constant(0.25)
    return keras.layers.PReLU(alpha_initializer=alpha, shared_axes=[1, 2], name=name)


@lru_cache(maxsize=2)
def _growing_cosine_layer(keras: Any) -> type:
    @keras.saving.register_keras_serializable(package="edge_sr")
    class GrowingCosine(keras.layers.Layer):
        """x * cos(x)."""

        def call(self, inputs: Any) -> Any:
            return inputs * keras.ops.cos(inputs)

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    return GrowingCosine


def growing_cosine(keras: Any, name: str) -> Any:
    """The growing cosine unit x * cos(x).

    Noel et al. 2021, "Growing Cosine Unit", https://arxiv.org/abs/2108.12943.

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
        """Clips to [0, 1]; outside, a tenth of the gradient passes while training.

        Without it, a channel whose values have all left [0, 1] would never return.
        """

        def call(self, inputs: Any, training: Any = None) -> Any:
            clipped = keras.ops.clip(inputs, 0.0, 1.0)
            if not training:
                return clipped
            excess = inputs - clipped
            return clipped + _LEAK * (excess - keras.ops.stop_gradient(excess))

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    return UnitClip


def unit_clip(keras: Any, name: str) -> Any:
    """Clip to [0, 1]."""
    if not is_keras_3(keras):  # quantized ranges clip there, so the leak is not needed
        return keras.layers.ReLU(max_value=1.0, name=name)
    return _unit_clip_layer(keras)(name=name)
