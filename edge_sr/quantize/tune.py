"""Tuning a float network for int8: calibrate its ranges, then train on with fake quantization."""

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
from edge_sr.training.distil import taught
from edge_sr.training.recipe import Recipe, to_dict
from edge_sr.training.samples import Samples

CALIBRATION_PATCHES = 512


class Tuner:
    """One tuning run; `best.safetensors` in its folder holds the best epoch's network."""

    def __init__(
        self,
        source: checkpoints.Checkpoint,
        recipe: Recipe,
        samples: Samples,
        seed: int,
        folder: Path,
        resume: bool,
    ) -> None:
        """Build and calibrate the network, or take up the state that the folder has.

        Args:
            source: a float checkpoint.
            recipe: how to train; its `expand` plays no part, the network is folded.
            samples: images to train on and to validate by.
            seed: of patches.
            folder: of the run.
            resume: go on from the folder's state.

        Raises:
            UserError: the checkpoint was tuned already, or the state is another run's.
        """
        checkpoints.require_float(source, "the checkpoint")
        tf_keras.utils.set_random_seed(seed)
        scale, options = source.config.scale, recipe.int8
        rng = np.random.default_rng(seed)
        self._patches, self._targets = sample_patches(
            samples.train, scale, recipe.data.patch, CALIBRATION_PATCHES, rng
        )
        identity = {"model": source.spec.name, "source": checkpoints.digest(source.weights)}
        if recipe.teacher:
            teacher = checkpoints.build_model(source, tf_keras)
            samples = taught(samples, partial(quality.upscale_plane, teacher), recipe.teacher)
        if options.equalize:
            source = equalize(source, self._patches)
        simulation = network.Simulation(slopes=options.rounded_slopes, learn=options.learned_ranges)
        model = network.fake_quantized(source, simulation)
        network.calibrate(model, source, self._patches)
        task = fit.Task(model, tf_keras, recipe, scale, samples, seed, identity)
        self._source, self._samples, self._options = source, samples, options
        self._best = folder / "best.safetensors"
        self._trainer = fit.Trainer(task, folder, resume)
        self._notes = {
            **source.notes,
            "tuning": {
                "model": source.spec.name,
                "scale": scale,
                "images": samples.images,
                "recipe": to_dict(recipe),
                "seed": seed,
            },
        }

    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return self._trainer.finished()

    def run(self, observer: fit.Observer) -> Path:
        """Tune to the end; returns the path of the best epoch's checkpoint.

        Raises:
            UserError: as `fit.Trainer.run`.
        """
        self._trainer.run(self._keep, observer)
        return self._best

    def _keep(self, weights: fit.Weights) -> None:
        spec, config = self._source.spec, self._source.config
        tuned = checkpoints.Checkpoint(spec, config, weights, self._notes)
        if self._options.correct_bias:
            tuned = self._better(tuned, correct(tuned, self._patches))
        if self._options.fit_gain:
            tuned = self._better(tuned, fit_gain(tuned, self._patches, self._targets))
        checkpoints.write(self._best, tuned)

    def _better(self, *candidates: checkpoints.Checkpoint) -> checkpoints.Checkpoint:
        """The one that does best on the validation images; the first of equals."""
        return max(candidates, key=self._score)

    def _score(self, tuned: checkpoints.Checkpoint) -> float:
        model = network.fake_quantized(tuned)
        return quality.validate(model, self._samples.validation, tuned.config.scale).psnr
