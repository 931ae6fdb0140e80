"""Float training with values rounded as int8 will round them.

A network that is tuned for int8 only at the end has to live with the ranges, and with the channels
that cancel each other, that float training chose when both were free. Rounding while it is still
free to choose makes it choose others.
"""

from collections import Counter
from functools import lru_cache
from typing import Any

_CONVOLUTIONS = ("Conv2D", "ExpandedConv2D", "NormalizedConv2D", "StridedConv2D")


def rounded(keras: Any, model: Any) -> Any:
    """A model of the same layers and weights that rounds to 8 bits in between.

    Kernels are rounded, and the outputs of convolutions, PReLU and tanh, but for those that the
    converter fuses with a following ReLU. Each range is that of the present kernel or batch; that
    of tanh is given.

    Args:
        keras: the namespace of the model; Keras 3.
        model: an uncompiled functional model. Training the twin trains it too.
    """
    convolution, activation, bounded = _layers(keras)
    calls: Counter[str] = Counter()
    consumers = {
        layer.name: [type(node.operation).__name__ for node in layer._outbound_nodes]
        for layer in model.layers
    }

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        kind = type(layer).__name__
        calls[layer.name] += 1  # blocks of a codec are applied several times
        name = f"{layer.name}_{calls[layer.name]}"
        if kind in _CONVOLUTIONS:
            output = convolution(layer, name=f"{name}_rounded")(*args)
        else:
            output = layer(*args, **kwargs)
        fused = consumers[layer.name] == ["ReLU"]
        if getattr(layer, "activation", None) is keras.activations.tanh:
            output = bounded(name=f"{name}_output_rounded")(output)
        if (kind in _CONVOLUTIONS or kind == "PReLU") and not fused:
            output = activation(name=f"{name}_output_rounded")(output)
        return output

    return keras.models.clone_model(model, clone_function=lambda x: x, call_function=call)


def round_activations(values: Any) -> Any:
    """Round to 255 steps between least and greatest value, 0 among them.

    The gradient passes through, and the step's is that of Learned Step Size Quantization (Esser et
    al. 2020), so that wide ranges are paid for.
    """
    from keras import ops

    low = ops.minimum(ops.min(values), 0.0)
    high = ops.maximum(ops.max(values), 1e-3)
    step = (high - low) / 255
    level = values / step
    return values + step * ops.stop_gradient(ops.round(level) - level)


def round_tanh(values: Any) -> Any:
    """Round what tanh gave to the steps of 1/128 that int8 has for it; the gradient passes through.

    A network that keeps to the small values, where tanh is straight, would have few of them.
    """
    from keras import ops

    level = values * 128
    return values + ops.stop_gradient(ops.clip(ops.round(level), -128, 127) - level) / 128


def round_kernel(kernel: Any) -> Any:
    """Round (k,k,Cin,Cout) to [-127, 127] steps per output channel; the gradient passes through."""
    from keras import ops

    step = ops.maximum(ops.max(ops.abs(kernel), axis=(0, 1, 2)), 1e-6) / 127
    level = kernel / step
    return kernel + ops.stop_gradient(step * (ops.round(level) - level))


@lru_cache(maxsize=1)
def _layers(keras: Any) -> tuple[type, type, type]:
    class RoundedConvolution(keras.layers.Layer):
        """A stride-1 convolution with the rounded kernel of another layer."""

        def __init__(self, layer: Any, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.layer = layer

        def build(self, shape: Any) -> None:
            self.built = True  # the layer within is built already

        def call(self, inputs: Any) -> Any:
            kernel = round_kernel(self.layer.kernel)
            plain = isinstance(self.layer, keras.layers.Conv2D)
            offset = self.layer.bias if plain else self.layer.offset
            return keras.ops.conv(inputs, kernel, padding="same") + offset

        def compute_output_shape(self, shape: Any) -> Any:
            return self.layer.compute_output_shape(shape)

    class RoundedActivations(keras.layers.Layer):
        def call(self, inputs: Any) -> Any:
            return round_activations(inputs)

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    class RoundedTanh(keras.layers.Layer):
        def call(self, inputs: Any) -> Any:
            return round_tanh(inputs)

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    return RoundedConvolution, RoundedActivations, RoundedTanh
