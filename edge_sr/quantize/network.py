"""Networks with fake quantization: built from a float checkpoint or from a tuned one."""

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
    UNIT_RANGE,
    ChannelWeights,
    LearnedRange,
    LogisticUnit,
    Slopes,
)

_MIN_PATCHES = 16
_MAX_VALUES = 2**28  # of all layers, for calibration: a gigabyte
_MARGIN = 1.05  # for what tuning does to flat black and white, which it hardly ever sees


@dataclass(frozen=True)
class Simulation:
    """What a model with fake quantization does beside rounding kernels and activations.

    Attributes:
        slopes: round slopes of PReLU.
        logistic: put a last logistic into the range that int8 gives it, and then into [0, 1].
        learn: ranges learn when the model is trained.
    """

    slopes: bool = True
    logistic: bool = True
    learn: bool = True


WHOLE = Simulation()

FOR_CONVERTER = Simulation(slopes=False, logistic=False)
"""Of what goes to the TFLite converter, which does both by itself."""


class _InputRange(tfmot.default_8bit.default_8bit_transforms.InputLayerQuantize):
    """Puts a rounding of fixed range behind the input."""

    def replacement(self, match_layer: Any) -> Any:
        node = super().replacement(match_layer)
        # A name of our own: Keras would number it, and it goes into the exported file.
        node.layer["config"] = QuantizeLayer(UNIT_RANGE, name="image_range").get_config()
        node.layer["name"] = "image_range"
        return node

    def custom_objects(self) -> dict[str, Any]:
        return {**super().custom_objects(), "FixedQuantizer": type(UNIT_RANGE)}


class _Layout(tfmot.QuantizeLayoutTransform):
    def apply(self, model: Any, layer_quantize_map: Any) -> tuple[Any, Any]:
        transformer = tfmot.graph_transformations.model_transformer.ModelTransformer(
            model, [_InputRange()], set(layer_quantize_map), layer_quantize_map
        )
        return transformer.transform()


class _Scheme(tfmot.default_8bit.Default8BitQuantizeScheme):
    """Every layer brings its own config; of tfmot's layout changes none is needed."""

    def get_layout_transformer(self) -> Any:
        return _Layout()


def unrounded(tuned: checkpoints.Checkpoint) -> Any:
    """The tf_keras model of a tuned checkpoint's weights, with nothing rounded."""
    model = tuned.spec.build(tuned.config.folded, tf_keras)
    prefix = checkpoints.QUANTIZED
    named = {name.removeprefix(prefix): array for name, array in tuned.weights.items()}
    weights = {n: a for n, a in named.items() if not n.endswith(("/output_min", "/output_max"))}
    checkpoints.assign(model, weights)
    return model


def fake_quantized(
    checkpoint: checkpoints.Checkpoint,
    simulation: Simulation = WHOLE,
    source: str = "the checkpoint",
) -> Any:
    """A tf_keras model (N,H,W,C) in [0, 1] to (N,sH,sW,C) that rounds as int8 does.

    Args:
        checkpoint: a float one (the ranges are then as yet uncalibrated), or a tuned one.
        simulation: what else it does.
        source: what the checkpoint is called in errors.

    Raises:
        UserError: the weights do not fit the model.
    """
    if not checkpoints.is_tuned(checkpoint):
        return annotated(checkpoints.build_model(checkpoint, tf_keras, source), simulation)
    model = annotated(checkpoint.spec.build(checkpoint.config.folded, tf_keras), simulation)
    checkpoints.assign(model, checkpoint.weights, source)
    return model


def annotated(model: Any, simulation: Simulation) -> Any:
    """A plain tf_keras model, with its weights, as one that rounds as int8 does.

    Args:
        model: of layers that are each called once.
        simulation: what else it does.
    """
    consumers = _consumers(model)

    def annotate(layer: Any) -> Any:
        if isinstance(layer, tf_keras.layers.InputLayer):
            return layer
        rounding = output_rounding(layer, consumers[layer.name], _ends_network(layer, consumers))
        if rounding == "logistic" and not simulation.logistic:
            rounding = "unit"
        config = LayerConfig(rounding, simulation.slopes, simulation.learn)
        return tfmot.quantize_annotate_layer(layer, config)

    shuffles = (layers.depth_to_space, layers.space_to_depth)
    own = (LayerConfig, LearnedRange, LogisticUnit, ChannelWeights, Slopes)
    own += tuple(type(shuffle(tf_keras, 2, "any")) for shuffle in shuffles)
    with tfmot.quantize_scope({kind.__name__: kind for kind in own}):
        marked = tf_keras.models.clone_model(model, clone_function=annotate)
        marked.set_weights(model.get_weights())
        return tfmot.quantize_apply(
            marked, _Scheme(), quantized_layer_name_prefix=checkpoints.QUANTIZED
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
    """Set the ranges of a fake-quantized model by what the float network shows.

    Each is the part of the span from least to greatest value that has the least mean squared error
    of rounding and clipping together, and takes in what flat black and white give: photographs have
    little of either, but a network that clips them shows it.

    Args:
        model: from `fake_quantized`.
        checkpoint: the float checkpoint that it was made from.
        patches: uint8 (N,p,p,C), from training images; of large networks the first ones are taken.
    """
    plain = checkpoints.build_model(checkpoint, tf_keras)
    probe = tf_keras.Model(plain.input, {layer.name: layer.output for layer in plain.layers})
    side, channels = patches.shape[1], patches.shape[3]
    black, white = np.zeros((side, side, channels)), np.ones((side, side, channels))
    flat = probe(np.stack([black, white]).astype(np.float32))
    values = sum(tf.size(shown).numpy() // 2 for shown in flat.values())
    patches = patches[: max(_MIN_PATCHES, _MAX_VALUES // values)]
    outputs = probe(patches.astype(np.float32) / 255)
    middle = {
        name: shown[:, shown.shape[1] // 2, shown.shape[2] // 2] for name, shown in flat.items()
    }
    set_ranges(model, outputs, middle)  # the middle is beyond the reach of padding


def set_ranges(
    model: Any, outputs: Mapping[str, Any], needed: Mapping[str, Any] | None = None
) -> None:
    """Set those ranges of a fake-quantized model that are its own to choose.

    Args:
        model: from `fake_quantized` or `annotated`.
        outputs: values by layer, for `best_range`.
        needed: values by layer that the range must take in, with a margin.
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
    """The range (least at most 0, greatest above 0) in which 8 bits represent the values best."""
    values = tf.reshape(values, [-1])
    low = min(float(tf.reduce_min(values)), 0.0)
    high = max(float(tf.reduce_max(values)), 1e-3)

    def error(share: float) -> float:
        limits = share * low, max(share * high, 1e-3)
        rounded = tf.quantization.fake_quant_with_min_max_vars(values, *limits)
        return float(tf.reduce_mean(tf.square(rounded - values)))

    share = min(np.linspace(1, 0.2, 41).tolist(), key=error)
    return share * low, max(share * high, 1e-3)


def concrete_function(
    checkpoint: checkpoints.Checkpoint, height: int, width: int, source: str
) -> Any:
    """The tuned network at one input size as a TensorFlow function, for the TFLite converter.

    Returns:
        the function and the model that owns its variables.
    """
    model = fake_quantized(checkpoint, FOR_CONVERTER, source)
    shape = (1, height, width, checkpoint.spec.channels)
    signature = tf.TensorSpec(shape, tf.float32, name="image")

    @tf.function(input_signature=[signature])
    def network(image: Any) -> Any:
        return model(image, training=False)

    return network.get_concrete_function(), model
