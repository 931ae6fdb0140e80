"""Float training with values rounded as int8 rounds them.

Float training may choose wide ranges, or channels that cancel each other; quantization-aware
training at the end can hardly change that. With rounding from early on, the network learns others.
"""

from collections import Counter
from functools import lru_cache
from typing import Any

_CONVOLUTIONS = ("Conv2D", "ExpandedConv2D", "NormalizedConv2D", "StridedConv2D")


def rounded(keras: Any, model: Any) -> Any:
    """A variant of a model, with its layers and weights, that rounds to 8 bits.

    It rounds kernels, and the outputs of convolutions, PReLU and tanh, except those that the
    converter fuses with a following ReLU. Ranges are those of the current kernel or batch; tanh's
    is fixed.

    Args:
        keras: the namespace of the model; Keras 3.
        model: an uncompiled functional model. Training the variant trains it too.
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
    """Round to 255 steps between minimum and maximum, with 0 on the grid.

    The gradient passes through the rounding; the step's is that of Learned Step Size Quantization
    (Esser et al. 2020, https://arxiv.org/abs/1902.08153), so that wide ranges increase the loss.
    """
    from keras import ops

    low = ops.minimum(ops.min(values), 0.0)
    high = ops.maximum(ops.max(values), 1e-3)
    step = (high - low) / 255
    level = values / step
    return values + step * ops.stop_gradient(ops.round(level) - level)


def round_tanh(values: Any) -> Any:
    """Round tanh's output to int8's fixed steps of 1/128; the gradient passes through.

    A network that uses only small values, where tanh is almost linear, would use few steps.
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
            bias = self.layer.bias if plain else self.layer.folded_bias
            return keras.ops.conv(inputs, kernel, padding="same") + bias

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
