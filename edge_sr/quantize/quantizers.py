"""Fake quantization behind tfmot's Quantizer interface.

Activations: int8, asymmetric, one scale per tensor. Weights: int8, symmetric, narrow range, one
scale per output channel. Both follow the TFLite quantization specification,
https://ai.google.dev/edge/litert/models/quantization_spec.
"""

from typing import Any

import tensorflow as tf
from tensorflow_model_optimization.quantization.keras import quantizers

# [0, 1] makes the scale 1/255 and the zero point -128: lossless for 8-bit images.
UNIT_RANGE = quantizers.FixedQuantizer(8, init_min=0.0, init_max=1.0, narrow_range=False)
# int8 tanh has the scale 1/128 and the zero point 0.
TANH_RANGE = quantizers.FixedQuantizer(8, init_min=-1.0, init_max=127 / 128, narrow_range=False)

# int8 logistic has the scale 1/256 and the zero point -128.
LOGISTIC_RANGE = quantizers.FixedQuantizer(8, init_min=0.0, init_max=255 / 256, narrow_range=False)


# A codec's symbols: scale 1 and zero point 0, so that an int8 value is the symbol itself.
SYMBOL_RANGE = quantizers.FixedQuantizer(8, init_min=-128.0, init_max=127.0, narrow_range=False)


class LogisticUnit(quantizers.Quantizer):
    """A logistic's output: rounded to int8's fixed range of a logistic, then to [0, 1].

    The kernel rounds twice, and the result differs from rounding once; in an image, whole areas of
    one tone would be off by a step.
    """

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        """The limits of both ranges, constant."""
        return {
            "own": LOGISTIC_RANGE.build(tensor_shape, f"{name}_own", layer),
            "unit": UNIT_RANGE.build(tensor_shape, name, layer),
        }

    def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
        """Round to the logistic's grid, then to that of [0, 1]."""
        rounded = LOGISTIC_RANGE(inputs, training, weights["own"], **kwargs)
        return UNIT_RANGE(rounded, training, weights["unit"], **kwargs)

    def get_config(self) -> dict[str, Any]:
        """For Keras."""
        return {}


class LearnedRange(quantizers.Quantizer):
    """A trainable range: `calibrate` sets it, then the scale is trained with the weights.

    The gradient is that of Learned Step Size Quantization (Esser et al. 2020,
    https://arxiv.org/abs/1902.08153) with a zero point: it weighs the rounding error inside the
    range against clipping outside.
    """

    def __init__(self, learn: bool = True) -> None:
        """With `learn` False the range stays as calibrated."""
        self.learn = learn

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        """Two trainable scalars, `<name>_min` and `<name>_max`."""
        constant = tf.constant_initializer
        low = layer.add_weight(name=f"{name}_min", initializer=constant(-1.0), trainable=True)
        high = layer.add_weight(name=f"{name}_max", initializer=constant(1.0), trainable=True)
        return {"min": low, "max": high}

    def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
        """Round to the grid of the current range."""
        low, high = tf.minimum(weights["min"], 0.0), tf.maximum(weights["max"], 1e-3)
        if not training:
            return tf.quantization.fake_quant_with_min_max_vars(inputs, low, high)
        if not self.learn:
            low, high = tf.stop_gradient(low), tf.stop_gradient(high)
        return _learned_step(inputs, low, high)

    def get_config(self) -> dict[str, Any]:
        """For Keras."""
        return {"learn": self.learn}


def _learned_step(inputs: Any, low: Any, high: Any) -> Any:
    step = (high - low) / 255
    zero_point = tf.stop_gradient(tf.round(-low / step))
    level = tf.clip_by_value(inputs / step, -zero_point, 255 - zero_point)
    return step * (level + tf.stop_gradient(tf.round(level) - level))


class ChannelWeights(quantizers.Quantizer):
    """Weights rounded per output channel; the range is that of the current weights."""

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        """No variables."""
        return {}

    def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
        """Round (k,k,Cin,Cout) to [-127, 127] steps per output channel."""
        high = tf.reduce_max(tf.abs(tf.stop_gradient(inputs)), axis=[0, 1, 2])
        high = tf.maximum(high, 1e-6)
        return tf.quantization.fake_quant_with_min_max_vars_per_channel(
            inputs, -high, high, narrow_range=True
        )

    def get_config(self) -> dict[str, Any]:
        """For Keras."""
        return {}


class PReLUAlpha(quantizers.Quantizer):
    """PReLU's alpha rounded as the converter rounds it: symmetric, one scale per tensor."""

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        """No variables."""
        return {}

    def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
        """Round (1,1,C) to [-127, 127] steps."""
        high = tf.maximum(tf.reduce_max(tf.abs(tf.stop_gradient(inputs))), 1e-6)
        return tf.quantization.fake_quant_with_min_max_vars(inputs, -high, high, narrow_range=True)

    def get_config(self) -> dict[str, Any]:
        """For Keras."""
        return {}
