"""Tuning a codec for int8: each block is rounded as a model of its own, and applied several times.

tfmot refuses a layer that is called twice; a rounded block that is called twice it does not see.
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
from edge_sr.models.tinycompress import CHANNELS, CodecConfig
from edge_sr.quantize import equalize as equalization
from edge_sr.quantize import network
from edge_sr.training import fit
from edge_sr.training.pictures import Pictures
from edge_sr.training.recipe import Recipe, to_dict

CALIBRATION_PATCHES = 128

_CORRECTION_PATCHES = 48
_CORRECTION_STEPS = 2
_BUMP = 0.01  # of a bias, to see what becomes of it behind all passes
_LAST = f"{checkpoints.QUANTIZED}decoder_conv3/bias"


def fake_quantized(
    checkpoint: checkpoints.Checkpoint, simulation: network.Simulation = network.WHOLE
) -> dict[str, Any]:
    """Encoder and decoder as tf_keras models that round as int8 does, by part.

    What goes into a block and what comes out of it has the range [0, 1], as images have.

    Args:
        checkpoint: a float one (inner ranges are then as yet uncalibrated), or a tuned one.
        simulation: what else they do.

    Raises:
        UserError: the weights do not fit the model.
    """
    config = checkpoint.config.folded
    assert isinstance(config, CodecConfig)
    tuned = checkpoints.is_tuned(checkpoint)
    found = {}
    for part in tinycompress.PARTS:
        plain = _plain_block(config, part)
        prefix = checkpoints.QUANTIZED if tuned else ""
        weights = tinycompress.part_of(checkpoint.weights, prefix + part)
        if not tuned:
            checkpoints.assign(plain, checkpoints.fold(weights))
        rounded = network.annotated(plain, simulation)
        if tuned:
            checkpoints.assign(rounded, weights)
        found[part] = _repeated(rounded, config.passes, part)
    return found


def _plain_block(config: CodecConfig, part: str) -> Any:
    x = image = tf_keras.layers.Input((None, None, CHANNELS), name="image")
    for layer in tinycompress.block(config, tf_keras, part):
        x = layer(x)
    return tf_keras.Model(image, x, name=f"{part}_block")


def _repeated(block: Any, passes: int, name: str) -> Any:
    x = image = tf_keras.layers.Input((None, None, CHANNELS), name="image")
    for _ in range(passes):
        x = block(x)
    return tf_keras.Model(image, x, name=name)


def joined(parts: dict[str, Any]) -> Any:
    """Encoder and decoder in one tf_keras model (N,H,W,3) to (N,H,W,3)."""
    image = tf_keras.layers.Input((None, None, CHANNELS), name="image")
    return tf_keras.Model(image, parts["decoder"](parts["encoder"](image)), name="codec")


Shown = dict[str, list[np.ndarray]]
"""What the layers of a block show in each of its passes: (N,h,w,C) by name."""


def observe(
    checkpoint: checkpoints.Checkpoint, patches: np.ndarray
) -> Iterator[tuple[str, Any, Shown]]:
    """What the float blocks show in all of their passes.

    Args:
        checkpoint: a float one.
        patches: uint8 (N,p,p,3), from training images; p a multiple of 2^passes.

    Yields:
        each part, its block as a plain tf_keras model, and what its layers show.
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
        checkpoints.assign(block, checkpoints.fold(weights))
        probe = tf_keras.Model(block.input, {layer.name: layer.output for layer in block.layers})
        shown: Shown = {}
        for _ in range(config.passes):
            outputs = probe.predict(x, batch_size=16, verbose=0)
            for name, values in outputs.items():
                shown.setdefault(name, []).append(values)
            x = np.clip(outputs[block.layers[-1].name], 0, 1)
        yield part, block, shown


def equalize(checkpoint: checkpoints.Checkpoint, patches: np.ndarray) -> checkpoints.Checkpoint:
    """The same codec with channels of more equal ranges, in front of PReLU and behind; folded.

    Args:
        checkpoint: a float one.
        patches: as in `observe`.
    """
    weights = checkpoints.fold(checkpoint.weights)
    for _, block, shown in observe(checkpoint, patches):
        found = list(equalization.chains(block))
        reaches = {prelu: _reach(shown[first] + shown[prelu]) for first, prelu, _ in found}
        weights = equalization.balanced(weights, found, reaches)
    return dataclasses.replace(checkpoint, config=checkpoint.config.folded, weights=weights)


def _reach(passes: list[np.ndarray]) -> np.ndarray:
    """The largest magnitude of each channel."""
    return np.max([np.abs(values).max(axis=(0, 1, 2)) for values in passes], axis=0)


def calibrate(
    parts: dict[str, Any], checkpoint: checkpoints.Checkpoint, patches: np.ndarray
) -> None:
    """Set the inner ranges by what the float blocks show.

    Args:
        parts: from `fake_quantized`.
        checkpoint: the float checkpoint that they were made from.
        patches: as in `observe`.
    """
    for part, _, shown in observe(checkpoint, patches):
        flat = {name: np.concatenate([v.ravel() for v in some]) for name, some in shown.items()}
        network.set_ranges(parts[part], flat)


def correct(tuned: checkpoints.Checkpoint, patches: np.ndarray) -> checkpoints.Checkpoint:
    """The tuned codec with the last biases such that images keep their mean colour.

    Args:
        tuned: a tuned checkpoint.
        patches: as in `observe`.
    """
    model = joined(fake_quantized(tuned))
    bias = checkpoints.variables_of(model)[_LAST]
    images = patches[:_CORRECTION_PATCHES].astype(np.float32) / 255

    def mean() -> np.ndarray:
        made = model.predict(images, batch_size=8, verbose=0)
        return np.asarray(np.clip(made, 0, 1).mean(axis=(0, 1, 2)))

    for _ in range(_CORRECTION_STEPS):
        start, found = bias.numpy(), mean()
        bias.assign(start + _BUMP)
        slope = np.maximum((mean() - found) / _BUMP, _BUMP)
        bias.assign(start + (images.mean(axis=(0, 1, 2)) - found) / slope)
    weights = {**tuned.weights, _LAST: bias.numpy()}
    return dataclasses.replace(tuned, weights=weights)


def tune(
    source: checkpoints.Checkpoint,
    recipe: Recipe,
    pictures: Pictures,
    seed: int,
    folder: Path,
    resume: bool,
) -> tuple[fit.Trainer, Callable[[fit.Weights], None]]:
    """A tuning run, ready to go: the trainer, and what keeps its best weights.

    Args:
        source: a float checkpoint.
        recipe: how to train.
        pictures: to train on, and to validate by.
        seed: of patches.
        folder: of the run; `best.safetensors` in it is the result.
        resume: go on from the folder's state.

    Raises:
        UserError: the checkpoint was tuned already, or the state is another run's.
    """
    checkpoints.require_float(source, "the checkpoint")
    tf_keras.utils.set_random_seed(seed)
    options, rng = recipe.int8, np.random.default_rng(seed)
    patches, _ = pictures.cut(recipe.data, CALIBRATION_PATCHES, rng)
    start = equalize(source, patches) if options.equalize else source
    simulation = network.Simulation(slopes=options.rounded_slopes, learn=options.learned_ranges)
    parts = fake_quantized(start, simulation)
    calibrate(parts, start, patches)
    identity = {"model": source.spec.name, "source": checkpoints.digest(source.weights)}
    task = fit.Task(joined(parts), tf_keras, recipe, 1, pictures, seed, identity)
    description = {
        "model": source.spec.name,
        "images": pictures.images,
        "recipe": to_dict(recipe),
        "seed": seed,
    }
    notes = {**source.notes, "tuning": description}

    def keep(weights: fit.Weights) -> None:
        tuned = checkpoints.Checkpoint(source.spec, source.config, weights, notes)
        if options.correct_bias:
            tuned = better(tuned, correct(tuned, patches), pictures)
        checkpoints.write(folder / "best.safetensors", tuned)

    return fit.Trainer(task, folder, resume), keep


def better(
    first: checkpoints.Checkpoint, second: checkpoints.Checkpoint, pictures: Pictures
) -> checkpoints.Checkpoint:
    """The tuned checkpoint that does best on the validation images; the first of equals."""
    return max(
        (first, second), key=lambda each: pictures.validate(joined(fake_quantized(each))).psnr
    )


def concrete_function(
    checkpoint: checkpoints.Checkpoint, part: str, height: int, width: int
) -> tuple[Any, Any]:
    """One part of a tuned codec at one input size, for the TFLite converter.

    Returns:
        the TensorFlow function and the model that owns its variables.
    """
    model = fake_quantized(checkpoint, network.FOR_CONVERTER)[part]
    signature = tf.TensorSpec((1, height, width, CHANNELS), tf.float32, name="image")

    @tf.function(input_signature=[signature])
    def function(image: Any) -> Any:
        return model(image, training=False)

    return function.get_concrete_function(), model
