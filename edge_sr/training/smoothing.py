"""Float training with the bend of PReLU made smooth, as a start.

The smallest networks that lead their size bend by tanh. A smooth bend hands gradients on where a
sharp one has none or one sign; the converter knows the sharp one alone.
"""

from functools import lru_cache
from typing import Any


def smooth(keras: Any, model: Any, sharpness: float) -> Any:
    """A model of the same layers and weights whose PReLU is bent smoothly.

    a x + (1 - a) x sigmoid(sharpness x) stands for max(x, 0) + a min(x, 0), slopes a.

    Args:
        keras: the namespace of the model; Keras 3.
        model: an uncompiled functional model. Training the twin trains it too.
        sharpness: the higher, the more like PReLU; values are about 1.
    """
    bend = _layer(keras)

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if type(layer).__name__ == "PReLU":
            return bend(layer, sharpness, name=f"{layer.name}_smooth")(*args)
        return layer(*args, **kwargs)

    return keras.models.clone_model(model, clone_function=lambda x: x, call_function=call)


@lru_cache(maxsize=1)
def _layer(keras: Any) -> type:
    class SmoothPReLU(keras.layers.Layer):
        """PReLU with the slopes of another layer and a smooth bend."""

        def __init__(self, layer: Any, sharpness: float, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.layer, self.sharpness = layer, sharpness

        def build(self, shape: Any) -> None:
            self.built = True  # the layer within is built already

        def call(self, inputs: Any) -> Any:
            slope = self.layer.alpha
            gate = keras.ops.sigmoid(self.sharpness * inputs)
            return inputs * (slope + (1 - slope) * gate)

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    return SmoothPReLU
