"""Quantization-aware training of a codec.

tfmot rejects shared layers, so each block is quantized as its own model, which is then applied
several times.
"""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from edge_sr.models import checkpoint as checkpoints
from edge_sr.models import tinycompress
from edge_sr.models.reparam import fold
from edge_sr.models.tinycompress import CHANNELS, CodecConfig
from edge_sr.quantize import equalize as equalization
from edge_sr.quantize import network
from edge_sr.training import fit
from edge_sr.training.codec_images import CodecImages
from edge_sr.training.recipe import Recipe, to_dict
from edge_sr.training.start import BEST

CALIBRATION_PATCHES = 128

_CORRECTION_PATCHES = 48
_CORRECTION_STEPS = 2
_BUMP = 0.01  # change of a bias, to measure the change of the output after all iterations
_LAST_BIAS = f"{checkpoints.QUANTIZED}decoder_conv3/bias"


def fake_quantized(
    checkpoint: checkpoints.Checkpoint, simulation: network.Simulation = network.WHOLE
) -> dict[str, Any]:
    """Encoder and decoder as tf_keras models that round as int8 does, by part.

    Input and output of a block have the range [0, 1], as images have.

    Args:
        checkpoint: a float one, whose inner ranges are then not calibrated yet, or an int8 one.
        simulation: what else is rounded.

    Raises:
        UserError: the weights do not fit the model.
    """
    config = checkpoint.config.folded
    assert isinstance(config, CodecConfig)
    quantized = checkpoints.is_quantized(checkpoint)
    parts = {}
    for part in tinycompress.PARTS:
        plain = _plain_block(config, part)
        prefix = checkpoints.QUANTIZED if quantized else ""
        weights = tinycompress.part_of(checkpoint.weights, prefix + part)
        if not quantized:
            checkpoints.assign(plain, fold(weights), checkpoint.source)
        rounded = network.annotated(plain, simulation)
        if quantized:
            checkpoints.assign(rounded, weights, checkpoint.source)
        parts[part] = _repeated(rounded, config.iterations, part)
    return parts


def _plain_block(config: CodecConfig, part: str) -> Any:
    x = image = tf_keras.layers.Input((None, None, CHANNELS), name="image")
    for layer in tinycompress.block(config, tf_keras, part):
        x = layer(x)
    return tf_keras.Model(image, x, name=f"{part}_block")


def _repeated(block: Any, iterations: int, name: str) -> Any:
    x = image = tf_keras.layers.Input((None, None, CHANNELS), name="image")
    for _ in range(iterations):
        x = block(x)
    return tf_keras.Model(image, x, name=name)


def joined(parts: dict[str, Any]) -> Any:
    """Encoder and decoder in one tf_keras model (N,H,W,3) to (N,H,W,3)."""
    image = tf_keras.layers.Input((None, None, CHANNELS), name="image")
    return tf_keras.Model(image, parts["decoder"](parts["encoder"](image)), name="codec")


Activations = dict[str, list[np.ndarray]]
"""Outputs of a block's layers in each iteration: (N,h,w,C) by layer."""


def observe(
    checkpoint: checkpoints.Checkpoint, patches: np.ndarray
) -> Iterator[tuple[str, Any, Activations]]:
    """The activations of the float blocks in all iterations, for patches, flat black and white.

    Args:
        checkpoint: a float one.
        patches: uint8 (N,p,p,3), from training images; p a multiple of 2^iterations.

    Yields:
        each part, its block as a plain tf_keras model, and the outputs of its layers.
    """
    config = checkpoint.config.folded
    assert isinstance(config, CodecConfig)
    side = patches.shape[1]
    flat = np.array([0, 255], np.uint8).reshape(2, 1, 1, 1)
    images = np.concatenate([patches, np.broadcast_to(flat, (2, side, side, CHANNELS))])
    x = images.astype(np.float32) / 255
    for part in tinycompress.PARTS:
        block = _plain_block(config, part)
        weights = tinycompress.part_of(checkpoint.weights, part)
        checkpoints.assign(block, fold(weights), checkpoint.source)
        probe = tf_keras.Model(block.input, {layer.name: layer.output for layer in block.layers})
        activations: Activations = {}
        for _ in range(config.iterations):
            outputs = probe.predict(x, batch_size=16, verbose=0)
            for name, values in outputs.items():
                activations.setdefault(name, []).append(values)
            x = np.clip(outputs[block.layers[-1].name], 0, 1)
        yield part, block, activations


def equalize(checkpoint: checkpoints.Checkpoint, patches: np.ndarray) -> checkpoints.Checkpoint:
    """The same codec, folded, with channels of more equal ranges before and after each PReLU.

    Args:
        checkpoint: a float one.
        patches: as in `observe`.
    """
    weights = fold(checkpoint.weights)
    for _, block, outputs in observe(checkpoint, patches):
        triples = list(equalization.chains(block))
        reaches = {prelu: _reach(outputs[first] + outputs[prelu]) for first, prelu, _ in triples}
        weights = equalization.balanced(weights, triples, reaches)
    return dataclasses.replace(checkpoint, config=checkpoint.config.folded, weights=weights)


def _reach(outputs: list[np.ndarray]) -> np.ndarray:
    """The largest magnitude of each channel (C) in any iteration."""
    return np.max([np.abs(values).max(axis=(0, 1, 2)) for values in outputs], axis=0)


def calibrate(
    parts: dict[str, Any], checkpoint: checkpoints.Checkpoint, patches: np.ndarray
) -> None:
    """Set the inner ranges from the activations of the float blocks.

    Args:
        parts: from `fake_quantized`.
        checkpoint: the float checkpoint that they were made from.
        patches: as in `observe`.
    """
    for part, _, outputs in observe(checkpoint, patches):
        flat = {name: np.concatenate([v.ravel() for v in each]) for name, each in outputs.items()}
        network.set_ranges(parts[part], flat)


def correct(quantized: checkpoints.Checkpoint, patches: np.ndarray) -> checkpoints.Checkpoint:
    """The codec with the last biases changed so that images keep their mean colour.

    Args:
        quantized: an int8 checkpoint.
        patches: as in `observe`.
    """
    model = joined(fake_quantized(quantized))
    bias = checkpoints.variables_of(model)[_LAST_BIAS]
    images = patches[:_CORRECTION_PATCHES].astype(np.float32) / 255

    def mean() -> np.ndarray:
        decoded = model.predict(images, batch_size=8, verbose=0)
        return np.asarray(np.clip(decoded, 0, 1).mean(axis=(0, 1, 2)))

    for _ in range(_CORRECTION_STEPS):
        before, colour = bias.numpy(), mean()
        bias.assign(before + _BUMP)
        derivative = np.maximum((mean() - colour) / _BUMP, _BUMP)
        bias.assign(before + (images.mean(axis=(0, 1, 2)) - colour) / derivative)
    weights = {**quantized.weights, _LAST_BIAS: bias.numpy()}
    return dataclasses.replace(quantized, weights=weights)


def prepare(
    source: checkpoints.Checkpoint,
    recipe: Recipe,
    images: CodecImages,
    seed: int,
    folder: Path,
    resume: bool,
) -> tuple[fit.Trainer, Callable[[fit.Weights], None]]:
    """The trainer of a run, and the function that writes its best weights.

    Args:
        source: a float checkpoint.
        recipe: how to train.
        images: to train on, and to validate by.
        seed: of patches.
        folder: of the run; `best.safetensors` in it is the result.
        resume: continue from the folder's state.

    Raises:
        UserError: the checkpoint is an int8 one, or the state is another run's.
    """
    checkpoints.require_float(source)
    tf_keras.utils.set_random_seed(seed)
    options, rng = recipe.int8, np.random.default_rng(seed)
    patches, _ = images.cut(recipe.data, CALIBRATION_PATCHES, rng)
    start = equalize(source, patches) if options.equalize else source
    simulation = network.Simulation(alpha=options.rounded_slopes, learn=options.learned_ranges)
    parts = fake_quantized(start, simulation)
    calibrate(parts, start, patches)
    identity = {"model": source.spec.name, "source": checkpoints.digest(source.weights)}
    task = fit.Task(joined(parts), tf_keras, recipe, 1, images, seed, identity)
    description = {
        "model": source.spec.name,
        "images": images.images,
        "recipe": to_dict(recipe),
        "seed": seed,
    }
    notes = {**source.notes, "tuning": description}

    def keep(weights: fit.Weights) -> None:
        quantized = checkpoints.Checkpoint(source.spec, source.config, weights, notes)
        if options.correct_bias:
            quantized = better(quantized, correct(quantized, patches), images)
        checkpoints.write(folder / BEST, quantized)

    return fit.Trainer(task, folder, resume), keep


def better(
    first: checkpoints.Checkpoint, second: checkpoints.Checkpoint, images: CodecImages
) -> checkpoints.Checkpoint:
    """The int8 checkpoint with the higher PSNR on the validation images; the first of equals."""
    return max((first, second), key=lambda each: images.validate(joined(fake_quantized(each))).psnr)


def concrete_function(
    checkpoint: checkpoints.Checkpoint, part: str, height: int, width: int
) -> tuple[Any, Any]:
    """One part of an int8 codec at one input size, for the TFLite converter.

    Returns:
        the TensorFlow function and the model that owns its variables.
    """
    model = fake_quantized(checkpoint, network.FOR_CONVERTER)[part]
    signature = tf.TensorSpec((1, height, width, CHANNELS), tf.float32, name="image")

    @tf.function(input_signature=[signature])
    def function(image: Any) -> Any:
        return model(image, training=False)

    return function.get_concrete_function(), model
