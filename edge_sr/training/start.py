"""The start of a float run of an upscaler: the network is built, its result gets a file."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_sr.errors import UserError
from edge_sr.models import checkpoint, registry
from edge_sr.models.reparam import fold
from edge_sr.quiet import quiet_native
from edge_sr.training import fit
from edge_sr.training import recipe as recipes
from edge_sr.training.distribute import Share
from edge_sr.training.recipe import Recipe

BEST = "best.safetensors"
"""The file of a run that holds the weights of its best epoch."""

RATE_MODEL = "rate_model.safetensors"
"""The file beside it, of a compressive autoencoder, with gains and context model."""


@dataclass(frozen=True)
class Plan:
    """What is trained, and how.

    Attributes:
        spec: the architecture.
        config: of the folded network.
        recipe: how it is trained.
        seed: of weights and patches.
        init: initial weights of the folded network; None for random ones.
    """

    spec: registry.ModelSpec
    config: registry.ModelConfig
    recipe: Recipe
    seed: int
    init: fit.Weights | None = None


def seed_everything(keras: Any, seed: int) -> None:
    """Seed the namespace and, on TensorFlow, choose its deterministic kernels."""
    with quiet_native():
        keras.utils.set_random_seed(seed)
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.config.experimental.enable_op_determinism()
            tf.config.list_logical_devices()  # TensorFlow reports on GPUs now, while it is quiet


def prepare(
    plan: Plan,
    keras: Any,
    samples: fit.TrainingImages,
    folder: Path,
    resume: bool,
    share: Share | None = None,
) -> tuple[fit.Trainer, Callable[[fit.Weights], None]]:
    """The trainer of a run, and the function that writes its best weights.

    Args:
        plan: what is trained, and how.
        keras: Keras 3.
        samples: to train on, and to validate by.
        folder: of the run.
        resume: continue from the folder's state, if it has one.
        share: this process's part, where several devices or processes train one network.

    Raises:
        UserError: the state is damaged or another run's, the initial weights do not fit, or the
            recipe cannot be shared.
    """
    if share and plan.recipe.norm == "batch":
        raise UserError(
            "batch normalization needs statistics of the whole batch, which --strategy splits; "
            'set norm to "weight" or "none", or train without --strategy'
        )
    seed_everything(keras, plan.seed)
    spec, config, recipe = plan.spec, plan.config, plan.recipe
    unfolded = dataclasses.replace(
        config,
        expand=recipe.expand,
        branches=int(recipe.branches),
        norm=recipe.norm,
        original=int(plan.init is None),  # checkpoints are folded
    )
    network = spec.build(unfolded, keras)
    identity: dict[str, Any] = {"model": spec.name, "config": registry.config_dict(config)}
    if plan.init:
        checkpoint.assign(network, plan.init, "the checkpoint to start from")
        identity["start"] = checkpoint.digest(plan.init)
    task = fit.Task(network, keras, recipe, config.scale, samples, plan.seed, identity)
    notes = {
        **identity,
        "scale": config.scale,
        "images": samples.images,
        "recipe": recipes.to_dict(recipe),
        "seed": plan.seed,
    }

    def keep(weights: fit.Weights) -> None:
        folded = fold(weights)
        checkpoint.write(
            folder / BEST, checkpoint.Checkpoint(spec, config, folded, {"training": notes})
        )

    return fit.Trainer(task, folder, resume, share), keep
