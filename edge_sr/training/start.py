"""A run of float training: the network that is built, and where its weights go."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_sr.models import checkpoint, registry
from edge_sr.quiet import quiet_native
from edge_sr.training import fit
from edge_sr.training import recipe as recipes
from edge_sr.training.recipe import Recipe

BEST = "best.safetensors"
"""The file of a run that holds what the recipe keeps."""


@dataclass(frozen=True)
class Plan:
    """What is trained, and how.

    Attributes:
        model: registered name of a super-resolution network.
        scale: of it.
        recipe: how.
        seed: of weights and patches.
        options: of the network, beside its scale.
        start: weights to start from instead of random ones.
    """

    model: str
    scale: int
    recipe: Recipe
    seed: int
    options: Mapping[str, Any]
    start: fit.Weights | None = None


def seed_everything(keras: Any, seed: int) -> None:
    """Seed the namespace and, on TensorFlow, choose its deterministic kernels."""
    with quiet_native():
        keras.utils.set_random_seed(seed)
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.config.experimental.enable_op_determinism()
            tf.config.list_logical_devices()  # looks for a GPU, and says so, now and not later


def prepare(
    plan: Plan, keras: Any, samples: fit.Material, folder: Path, resume: bool
) -> tuple[fit.Trainer, Callable[[fit.Weights], None]]:
    """The trainer of a run, and what it is to do with the weights that it keeps.

    Args:
        plan: what is trained.
        keras: Keras 3.
        samples: to train on, and to validate by.
        folder: of the run.
        resume: go on from the folder's state, if there is one.

    Raises:
        UserError: the state is damaged or another run's, or the weights to start from do not fit.
    """
    seed_everything(keras, plan.seed)
    spec = registry.get(plan.model)
    config = spec.config(plan.scale, **plan.options)
    blocks = {"expand": plan.recipe.expand, "branches": int(plan.recipe.branches)}
    network = spec.build(spec.config(plan.scale, **plan.options, **blocks), keras)
    identity: dict[str, Any] = {"model": plan.model}
    if plan.options:
        identity["options"] = dict(plan.options)
    if plan.start:
        checkpoint.assign(network, plan.start, "the checkpoint to start from")
        identity["start"] = checkpoint.digest(plan.start)
    task = fit.Task(network, keras, plan.recipe, plan.scale, samples, plan.seed, identity)
    notes = {
        **identity,
        "scale": plan.scale,
        "images": samples.images,
        "recipe": recipes.to_dict(plan.recipe),
        "seed": plan.seed,
    }

    def keep(weights: fit.Weights) -> None:
        folded = checkpoint.fold(weights)
        checkpoint.write(
            folder / BEST, checkpoint.Checkpoint(spec, config, folded, {"training": notes})
        )

    return fit.Trainer(task, folder, resume), keep
