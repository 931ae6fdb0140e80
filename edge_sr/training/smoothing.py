"""Float training that starts with a smooth PReLU.

The best networks of this size use tanh. A smooth nonlinearity has useful gradients where PReLU's
are piecewise constant. The converter only supports PReLU, so training must end with it.
"""

from functools import lru_cache
from typing import Any


def smooth(keras: Any, model: Any, sharpness: float) -> Any:
    """A variant of a model, with its layers and weights, that has a smooth PReLU.

    max(x, 0) + alpha min(x, 0) becomes alpha x + (1 - alpha) x sigmoid(sharpness x).

    Args:
        keras: the namespace of the model; Keras 3.
        model: an uncompiled functional model. Training the variant trains it too.
        sharpness: the higher, the closer to PReLU, for values of about 1.
    """
    smooth_prelu = _layer(keras)

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if type(layer).__name__ == "PReLU":
            return smooth_prelu(layer, sharpness, name=f"{layer.name}_smooth")(*args)
        return layer(*args, **kwargs)

    return keras.models.clone_model(model, clone_function=lambda x: x, call_function=call)


@lru_cache(maxsize=1)
def _layer(keras: Any) -> type:
    class SmoothPReLU(keras.layers.Layer):
        """A smooth PReLU with the alpha of another layer."""

        def __init__(self, layer: Any, sharpness: float, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.layer, self.sharpness = layer, sharpness

        def build(self, shape: Any) -> None:
            self.built = True  # the layer within is built already

        def call(self, inputs: Any) -> Any:
            alpha = self.layer.alpha
            gate = keras.ops.sigmoid(self.sharpness * inputs)
            return inputs * (alpha + (1 - alpha) * gate)

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    return SmoothPReLU
