"""Fake-quantized networks, built from a float checkpoint or from an int8 one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from tensorflow_model_optimization.python.core.quantization.keras.quantize_layer import (
    QuantizeLayer,
)
from tensorflow_model_optimization.quantization import keras as tfmot

from edge_sr.models import checkpoint as checkpoints
from edge_sr.models import layers
from edge_sr.quantize.configs import LayerConfig, output_rounding
from edge_sr.quantize.quantizers import (
    SYMBOL_RANGE,
    UNIT_RANGE,
    ChannelWeights,
    LearnedRange,
    LogisticUnit,
    PReLUAlpha,
)

_MIN_PATCHES = 16
_MAX_VALUES = 2**28  # float32 of all layers' outputs at calibration: 1 GiB
_MARGIN = 1.05  # as training may shift flat black and white, which are rare in its patches


@dataclass(frozen=True)
class Simulation:
    """What a fake-quantized model does besides rounding kernels and activations.

    Attributes:
        alpha: round PReLU's alpha.
        logistic: round a final logistic to int8's range of a logistic, then to [0, 1].
        learn: train the ranges too.
        input: what the input is rounded to: "unit" ([0, 1]), "symbols" (whole numbers), or "none".
        output: what the output is rounded to: "image", as the last layer asks for (see
            `configs.output_rounding`), "symbols" or "none".
    """

    alpha: bool = True
    logistic: bool = True
    learn: bool = True
    input: str = "unit"
    output: str = "image"


WHOLE = Simulation()

FOR_CONVERTER = Simulation(alpha=False, logistic=False)
"""For the TFLite converter, which does both itself."""


class _InputRange(tfmot.default_8bit.default_8bit_transforms.InputLayerQuantize):
    """Rounds the input to a fixed range."""

    def __init__(self, limits: Any, name: str) -> None:
        super().__init__()
        self._limits, self._name = limits, name

    def replacement(self, match_layer: Any) -> Any:
        node = super().replacement(match_layer)
        # A fixed name: Keras would number it, and the exported file contains it.
        node.layer["config"] = QuantizeLayer(self._limits, name=self._name).get_config()
        node.layer["name"] = self._name
        return node

    def custom_objects(self) -> dict[str, Any]:
        return {**super().custom_objects(), "FixedQuantizer": type(UNIT_RANGE)}


_INPUT_RANGES = {
    "unit": [_InputRange(UNIT_RANGE, "image_range")],
    "symbols": [_InputRange(SYMBOL_RANGE, "symbol_range")],
    "none": [],
}


class _Layout(tfmot.QuantizeLayoutTransform):
    def __init__(self, input_range: str) -> None:
        self._changes = _INPUT_RANGES[input_range]

    def apply(self, model: Any, layer_quantize_map: Any) -> tuple[Any, Any]:
        transformer = tfmot.graph_transformations.model_transformer.ModelTransformer(
            model, self._changes, set(layer_quantize_map), layer_quantize_map
        )
        return transformer.transform()


class _Scheme(tfmot.default_8bit.Default8BitQuantizeScheme):
    """Every layer has its own config; none of tfmot's layout changes is needed."""

    def __init__(self, input_range: str) -> None:
        super().__init__()
        self._input_range = input_range

    def get_layout_transformer(self) -> Any:
        return _Layout(self._input_range)


def unrounded(quantized: checkpoints.Checkpoint) -> Any:
    """The tf_keras model with an int8 checkpoint's weights, and nothing rounded."""
    model = quantized.spec.build(quantized.config.folded, tf_keras)
    prefix = checkpoints.QUANTIZED
    named = {name.removeprefix(prefix): array for name, array in quantized.weights.items()}
    weights = {n: a for n, a in named.items() if not n.endswith(("/output_min", "/output_max"))}
    checkpoints.assign(model, weights)
    return model


def fake_quantized(checkpoint: checkpoints.Checkpoint, simulation: Simulation = WHOLE) -> Any:
    """A tf_keras model (N,H,W,C) in [0, 1] to (N,sH,sW,C) that rounds as int8 does.

    Args:
        checkpoint: a float one, whose ranges are then not calibrated yet, or an int8 one.
        simulation: what else is rounded.

    Raises:
        UserError: the weights do not fit the model.
    """
    if not checkpoints.is_quantized(checkpoint):
        return annotated(checkpoints.build_model(checkpoint, tf_keras), simulation)
    model = annotated(checkpoint.spec.build(checkpoint.config.folded, tf_keras), simulation)
    checkpoints.assign(model, checkpoint.weights, checkpoint.source)
    return model


def annotated(model: Any, simulation: Simulation) -> Any:
    """A tf_keras model with the layers and weights of a plain one, that rounds as int8 does.

    Args:
        model: the plain model, each of whose layers is called once.
        simulation: what else is rounded.
    """
    consumers = _consumers(model)

    def annotate(layer: Any) -> Any:
        if isinstance(layer, tf_keras.layers.InputLayer):
            return layer
        is_last = _ends_network(layer, consumers)
        rounding = output_rounding(layer, consumers[layer.name], is_last)
        if is_last and rounding != "none" and simulation.output != "image":
            rounding = simulation.output
        if rounding == "logistic" and not simulation.logistic:
            rounding = "unit"
        config = LayerConfig(rounding, simulation.alpha, simulation.learn)
        return tfmot.quantize_annotate_layer(layer, config)

    shuffles = (layers.depth_to_space, layers.space_to_depth)
    own = (LayerConfig, LearnedRange, LogisticUnit, ChannelWeights, PReLUAlpha)
    own += tuple(type(shuffle(tf_keras, 2, "any")) for shuffle in shuffles)
    with tfmot.quantize_scope({kind.__name__: kind for kind in own}):
        marked = tf_keras.models.clone_model(model, clone_function=annotate)
        marked.set_weights(model.get_weights())
        return tfmot.quantize_apply(
            marked, _Scheme(simulation.input), quantized_layer_name_prefix=checkpoints.QUANTIZED
        )


def _consumers(model: Any) -> dict[str, list[Any]]:
    return {
        layer.name: [node.outbound_layer for node in layer.outbound_nodes] for layer in model.layers
    }


def _ends_network(layer: Any, consumers: dict[str, list[Any]]) -> bool:
    return all(
        type(consumer).__name__ == "DepthToSpace" and _ends_network(consumer, consumers)
        for consumer in consumers[layer.name]
    )


def calibrate(model: Any, checkpoint: checkpoints.Checkpoint, patches: np.ndarray) -> None:
    """Set the ranges of a fake-quantized model from the float network's activations.

    A range is the part of [minimum, maximum] with the least mean squared error of rounding and
    clipping. It always includes the values of flat black and flat white images: photographs have
    little of either, but clipping them is visible.

    Args:
        model: from `fake_quantized`.
        checkpoint: the float checkpoint that it was made from.
        patches: uint8 (N,p,p,C), from training images; large networks use only the first ones.
    """
    plain = checkpoints.build_model(checkpoint, tf_keras)
    probe = tf_keras.Model(plain.input, {layer.name: layer.output for layer in plain.layers})
    side, channels = patches.shape[1], patches.shape[3]
    black, white = np.zeros((side, side, channels)), np.ones((side, side, channels))
    flat = probe(np.stack([black, white]).astype(np.float32))
    values = sum(tf.size(output).numpy() // 2 for output in flat.values())
    patches = patches[: max(_MIN_PATCHES, _MAX_VALUES // values)]
    outputs = probe(patches.astype(np.float32) / 255)
    middle = {
        name: output[:, output.shape[1] // 2, output.shape[2] // 2] for name, output in flat.items()
    }
    set_ranges(model, outputs, middle)  # padding does not affect the middle


def set_ranges(
    model: Any, outputs: Mapping[str, Any], needed: Mapping[str, Any] | None = None
) -> None:
    """Set the ranges of a fake-quantized model that are not fixed by int8.

    Args:
        model: from `fake_quantized` or `annotated`.
        outputs: values by layer, for `best_range`.
        needed: values by layer that the range must include, with a margin.
    """
    variables = checkpoints.variables_of(model)
    for name, output in outputs.items():
        if f"{checkpoints.QUANTIZED}{name}/output_min" in variables:
            low, high = best_range(output)
            if needed:
                low = min(low, _MARGIN * float(tf.reduce_min(needed[name])))
                high = max(high, _MARGIN * float(tf.reduce_max(needed[name])))
            variables[f"{checkpoints.QUANTIZED}{name}/output_min"].assign(low)
            variables[f"{checkpoints.QUANTIZED}{name}/output_max"].assign(high)


def best_range(values: Any) -> tuple[float, float]:
    """The range (minimum at most 0, maximum above 0) in which 8 bits represent the values best."""
    values = tf.reshape(values, [-1])
    low = min(float(tf.reduce_min(values)), 0.0)
    high = max(float(tf.reduce_max(values)), 1e-3)

    def error(share: float) -> float:
        limits = share * low, max(share * high, 1e-3)
        rounded = tf.quantization.fake_quant_with_min_max_vars(values, *limits)
        return float(tf.reduce_mean(tf.square(rounded - values)))

    share = min(np.linspace(1, 0.2, 41).tolist(), key=error)
    return share * low, max(share * high, 1e-3)


def concrete_function(checkpoint: checkpoints.Checkpoint, height: int, width: int) -> Any:
    """The int8 network at one input size as a TensorFlow function, for the TFLite converter.

    Returns:
        the function and the model that owns its variables.
    """
    model = fake_quantized(checkpoint, FOR_CONVERTER)
    shape = (1, height, width, checkpoint.spec.channels)
    signature = tf.TensorSpec(shape, tf.float32, name="image")

    @tf.function(input_signature=[signature])
    def network(image: Any) -> Any:
        return model(image, training=False)

    return network.get_concrete_function(), model
