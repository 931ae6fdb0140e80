"""The training of a float codec in a run's folder: encoder and decoder together, at one rate."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_sr.errors import UserError
from edge_sr.models import checkpoint, registry, tinycompress
from edge_sr.models.namespaces import import_keras
from edge_sr.models.reparam import fold
from edge_sr.training import bottleneck, fit
from edge_sr.training import recipe as recipes
from edge_sr.training.codec_images import CodecImages
from edge_sr.training.recipe import Recipe
from edge_sr.training.run import INT8, Display, Run, owned, silent, train
from edge_sr.training.start import BEST, seed_everything

MODEL = "tinycompress"


@dataclass(frozen=True)
class CodecPlan:
    """What is trained, and how.

    Attributes:
        rate: image pixels per sample of a latent channel.
        recipe: how it is trained.
        seed: of weights and patches.
        init: initial weights, of this or another rate; None for random ones.
    """

    rate: int
    recipe: Recipe
    seed: int
    init: fit.Weights | None = None


def check_model(name: str) -> None:
    """Refuse a codec that cannot be trained.

    Raises:
        UserError: it is the encoder or the decoder only.
    """
    if name != MODEL:
        whole = name.removesuffix("-encoder").removesuffix("-decoder")
        raise UserError(f"{name} is a part of a codec: train {whole}, which has both")


def train_codec(plan: CodecPlan, images: CodecImages, run: Run, display: Display = silent) -> Path:
    """Train a float codec in the run's folder.

    Args:
        plan: what is trained, and how.
        images: to train on, and to validate by.
        run: where; see `run.check`.
        display: shows progress.

    Returns:
        the checkpoint of the best epoch.

    Raises:
        UserError: as `prepare` and `fit.Trainer.run`.
    """
    keras = import_keras()
    with owned(run, INT8):
        trainer, keep = prepare(plan, keras, images, run.folder, run.resume)
        train(trainer, keep, display, run.log_folder)
        return run.result()


def prepare(
    plan: CodecPlan, keras: Any, images: CodecImages, folder: Path, resume: bool
) -> tuple[fit.Trainer, Callable[[fit.Weights], None]]:
    """The trainer of a run, and the function that writes its best weights.

    Args:
        plan: what is trained, and how.
        keras: Keras 3.
        images: to train on, and to validate by.
        folder: of the run.
        resume: continue from the folder's state.

    Raises:
        UserError: the state is damaged or another run's, or the initial weights do not fit.
    """
    seed_everything(keras, plan.seed)
    config = _config(plan)
    network = _network(config, plan.recipe, keras)
    identity: dict[str, Any] = {"model": MODEL, "rate": plan.rate}
    if plan.init:
        variables = checkpoint.variables_of(network)
        own = {n: variables[n].numpy() for n in variables if n.startswith(bottleneck.NAME)}
        checkpoint.assign(network, {**own, **plan.init}, "the checkpoint to start from")
        identity["start"] = checkpoint.digest(plan.init)
    task = fit.Task(network, keras, plan.recipe, 1, images, plan.seed, identity)
    notes = {
        **identity,
        "images": images.images,
        "recipe": recipes.to_dict(plan.recipe),
        "seed": plan.seed,
    }

    def keep(weights: fit.Weights) -> None:
        kept = {n: array for n, array in weights.items() if not n.startswith(bottleneck.NAME)}
        found = checkpoint.Checkpoint(
            registry.get(MODEL), config.folded, fold(kept), {"training": notes}
        )
        checkpoint.write(folder / BEST, found)

    return fit.Trainer(task, folder, resume), keep


def _config(plan: CodecPlan) -> tinycompress.CodecConfig:
    """The config of the network in its training form."""
    return tinycompress.CodecConfig(
        rate=plan.rate,
        clip=int(plan.recipe.latents.clip),
        expand=plan.recipe.expand,
        branches=int(plan.recipe.branches),
        norm=plan.recipe.norm,
    )


def _network(config: tinycompress.CodecConfig, recipe: Recipe, keras: Any) -> Any:
    """The codec, with the bottleneck that the recipe asks for."""
    layer = None
    if recipe.latents.quantized:
        layer = bottleneck.bottleneck(keras, recipe.latents.rate_weight, config.rate)
    return tinycompress.autoencoder(config, keras, layer)
