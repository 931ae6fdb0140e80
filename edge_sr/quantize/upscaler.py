"""Quantization-aware training of an upscaler: calibrate the ranges, then train fake-quantized."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import tf_keras

from edge_sr.data.patches import sample_patches
from edge_sr.models import checkpoint as checkpoints
from edge_sr.quantize import network
from edge_sr.quantize.bias import correct
from edge_sr.quantize.equalize import equalize
from edge_sr.quantize.gain import fit_gain
from edge_sr.training import fit, quality
from edge_sr.training.distil import distilled
from edge_sr.training.recipe import Recipe, to_dict
from edge_sr.training.samples import Samples
from edge_sr.training.start import BEST

CALIBRATION_PATCHES = 512


def prepare(
    source: checkpoints.Checkpoint,
    recipe: Recipe,
    samples: Samples,
    seed: int,
    folder: Path,
    resume: bool,
) -> tuple[fit.Trainer, Callable[[fit.Weights], None]]:
    """The trainer of a run, and the function that writes its best weights.

    Args:
        source: a float checkpoint.
        recipe: how to train; `expand` and `norm` do not apply, as the network is folded.
        samples: to train on, and to validate by.
        seed: of patches.
        folder: of the run; `best.safetensors` in it is the result.
        resume: continue from the folder's state.

    Raises:
        UserError: the checkpoint is an int8 one, or the state is another run's.
    """
    checkpoints.require_float(source)
    tf_keras.utils.set_random_seed(seed)
    scale, options = source.config.scale, recipe.int8
    rng = np.random.default_rng(seed)
    patches = sample_patches(samples.train, scale, recipe.data.patch, CALIBRATION_PATCHES, rng)
    identity = {"model": source.spec.name, "source": checkpoints.digest(source.weights)}
    if recipe.teacher:
        teacher = checkpoints.build_model(source, tf_keras)
        samples = distilled(samples, partial(quality.upscale_plane, teacher), recipe.teacher)
    start = equalize(source, patches[0]) if options.equalize else source
    simulation = network.Simulation(alpha=options.rounded_slopes, learn=options.learned_ranges)
    model = network.fake_quantized(start, simulation)
    network.calibrate(model, start, patches[0])
    task = fit.Task(model, tf_keras, recipe, scale, samples, seed, identity)
    description = {
        "model": source.spec.name,
        "scale": scale,
        "images": samples.images,
        "recipe": to_dict(recipe),
        "seed": seed,
    }
    notes = {**source.notes, "tuning": description}

    def keep(weights: fit.Weights) -> None:
        quantized = checkpoints.Checkpoint(start.spec, start.config, weights, notes)
        checkpoints.write(folder / BEST, _improved(quantized, recipe, samples, patches))

    return fit.Trainer(task, folder, resume), keep


def _improved(
    quantized: checkpoints.Checkpoint,
    recipe: Recipe,
    samples: Samples,
    patches: tuple[np.ndarray, np.ndarray],
) -> checkpoints.Checkpoint:
    """The checkpoint with corrected biases and gains, where validation gets better by them."""

    def score(checkpoint: checkpoints.Checkpoint) -> float:
        model = network.fake_quantized(checkpoint)
        return quality.validate(model, samples.validation, checkpoint.config.scale).psnr

    low, high = patches
    if recipe.int8.correct_bias:
        quantized = max(quantized, correct(quantized, low), key=score)
    if recipe.int8.fit_gain:
        quantized = max(quantized, fit_gain(quantized, low, high), key=score)
    return quantized
