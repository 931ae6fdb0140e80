"""Tuning a float network for int8: calibrate its ranges, then train on with fake quantization."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tf_keras

from edge_sr.data.patches import sample_patches
from edge_sr.errors import UserError
from edge_sr.models import checkpoint as checkpoints
from edge_sr.quantize import network
from edge_sr.training import fit
from edge_sr.training.recipe import Recipe, to_dict
from edge_sr.training.samples import Samples

CALIBRATION_PATCHES = 512


def tune(
    source: checkpoints.Checkpoint,
    recipe: Recipe,
    samples: Samples,
    seed: int,
    folder: Path,
    resume: bool,
    observer: fit.Observer,
) -> Path:
    """Tune a float checkpoint for int8; `folder/best.safetensors` is the best epoch's.

    Args:
        source: a float checkpoint.
        recipe: how to train; its `expand` plays no part, the network is folded.
        samples: images to train on and to validate by.
        seed: of patches.
        folder: existing folder of the run.
        resume: go on from the folder's state.
        observer: is told of progress.

    Raises:
        UserError: the checkpoint was tuned already, or training failed (see `fit`).
    """
    if network.is_tuned(source):
        raise UserError("the checkpoint is tuned for int8 already; tuning starts from a float one")
    tf_keras.utils.set_random_seed(seed)
    model = network.fake_quantized(source)
    patches, _ = sample_patches(
        samples.train,
        source.config.scale,
        recipe.data.patch,
        CALIBRATION_PATCHES,
        np.random.default_rng(seed),
    )
    network.calibrate(model, source, patches)
    best = folder / "best.safetensors"
    task = fit.Task(
        model,
        tf_keras,
        recipe,
        source.config.scale,
        samples.train,
        samples.validation,
        seed,
        {"model": source.spec.name, "scale": source.config.scale, "images": samples.images},
    )
    fit.fit(task, folder, resume, _keeper(source, best, task), observer)
    return best


def _keeper(
    source: checkpoints.Checkpoint, path: Path, task: fit.Task
) -> Callable[[fit.Weights], None]:
    notes: dict[str, Any] = {
        **source.notes,
        "tuning": {**task.identity, "recipe": to_dict(task.recipe), "seed": task.seed},
    }

    def keep(weights: fit.Weights) -> None:
        tuned = checkpoints.Checkpoint(source.spec, source.config, weights, notes)
        checkpoints.write(path, tuned)

    return keep
