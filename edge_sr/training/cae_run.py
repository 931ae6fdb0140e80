"""The training of a float compressive autoencoder in a run's folder.

Two files hold the result: `best.safetensors`, a checkpoint of encoder and decoder, and
`rate_model.safetensors` with the weights of what is between them (see `write_rate_model`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_sr.errors import UserError, require
from edge_sr.files import check_is_file, make_folder, replacing
from edge_sr.models import checkpoint, registry
from edge_sr.models.cae import STEP, CaeConfig
from edge_sr.models.namespaces import import_keras
from edge_sr.training import centers, fit, losses, rate_model, widen
from edge_sr.training import recipe as recipes
from edge_sr.training.codec_images import RATE_LAYER, CodecImages, QualityImages
from edge_sr.training.recipe import Recipe
from edge_sr.training.run import INT8, Display, Run, owned, silent, train
from edge_sr.training.start import BEST, RATE_MODEL, seed_everything

MODEL = "cae"

LAMBDAS = "lambdas"
"""Name of the weights of the distortion, one for each quality, in a file of a rate model."""

FORMAT = "edge-sr-rate-model-1"

_PREFIX = f"{RATE_LAYER}/"


@dataclass(frozen=True)
class CaePlan:
    """What is trained, and how.

    Attributes:
        recipe: how it is trained.
        seed: of weights and patches.
        start: the result to start from; None for random weights.
    """

    recipe: Recipe
    seed: int
    start: "Result | None" = None


@dataclass(frozen=True)
class Result:
    """A trained network.

    Attributes:
        config: its size.
        weights: of encoder, decoder and rate model, by "layer/variable".
        lambdas: weight of the distortion at each quality; None with trained centers.
    """

    config: CaeConfig
    weights: fit.Weights
    lambdas: np.ndarray | None


def check_recipe(recipe: Recipe) -> None:
    """Refuse a recipe that is not one of a compressive autoencoder.

    Raises:
        UserError: it has no table [cae], or asks for what these networks do not have.
    """
    if recipe.cae.quantizer == "none":
        raise UserError(
            f"recipe {recipe.name} has no quantizer for {MODEL}: name one such as cae-low, or set "
            'quantizer = "noise" in [cae]'
        )
    plain = Recipe("", "")
    for name in ("expand", "branches", "norm", "smooth", "teacher", "latents"):
        if getattr(recipe, name) != getattr(plain, name):
            raise UserError(f"recipe {recipe.name} sets {name}, which {MODEL} does not have")
    if recipe.ever_rounded:
        raise UserError(f"recipe {recipe.name} sets rounded, which {MODEL} does not have")
    if "ssim" in recipe.loss:
        raise UserError(f"{MODEL} trains by ms_ssim, not by ssim: change the loss of {recipe.name}")
    sides = {recipe.data.patch, *(phase.patch for phase in recipe.phases)}
    if any(side % STEP for side in sides):
        raise UserError(f"{MODEL} takes patches of multiples of {STEP}: change {recipe.name}")
    if any(phase.loss for phase in recipe.phases):
        raise UserError(f"{MODEL} has one loss: leave the loss out of the phases of {recipe.name}")


def train_cae(plan: CaePlan, images: CodecImages, run: Run, display: Display = silent) -> Path:
    """Train a float compressive autoencoder in the run's folder.

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
    plan: CaePlan, keras: Any, images: CodecImages, folder: Path, resume: bool
) -> tuple[fit.Trainer, Callable[[fit.Weights], None]]:
    """The trainer of a run, and the function that writes its best weights.

    Args:
        plan: what is trained, and how.
        keras: Keras 3.
        images: to train on, and to validate by.
        folder: of the run.
        resume: continue from the folder's state.

    Raises:
        UserError: the recipe does not fit, the state is damaged or another run's, or the initial
            weights do not fit.
    """
    recipe, options = plan.recipe, plan.recipe.cae
    check_recipe(recipe)
    seed_everything(keras, plan.seed)
    model = build(recipe, keras)
    identity: dict[str, Any] = {"model": MODEL}
    if plan.start:
        initial = checkpoint.weights_of(model)
        checkpoint.assign(
            model, _start(plan.start, recipe, initial), "the checkpoint to start from"
        )
        identity["start"] = checkpoint.digest(plan.start.weights)
    qualities = options.qualities if options.quantizer == "noise" else 1
    samples = QualityImages(images, qualities, options.flat)
    task = fit.Task(model, keras, recipe, 1, samples, plan.seed, identity)
    notes = {
        **identity,
        "images": images.images,
        "recipe": recipes.to_dict(recipe),
        "seed": plan.seed,
    }

    def keep(weights: fit.Weights) -> None:
        write(folder, weights, recipe, notes)

    return fit.Trainer(task, folder, resume), keep


def build(recipe: Recipe, keras: Any) -> Any:
    """The network that is trained: (N,H,W,3) to image, bits and quality."""
    options, border = recipe.cae, losses.Border(recipe.data.rim, recipe.data.rim_weight)
    distortion = losses.distortion(recipe.loss, border)
    if options.quantizer == "centers":
        return centers.training_model(options, keras, distortion)
    return rate_model.training_model(options.config, rates(recipe), keras, distortion)


def rates(recipe: Recipe) -> rate_model.Rates:
    """The operating points of a recipe."""
    options = recipe.cae
    return rate_model.Rates(
        options.qualities,
        options.low,
        options.high,
        options.hidden,
        options.before,
        options.straight,
    )


def write(folder: Path, weights: fit.Weights, recipe: Recipe, notes: dict[str, Any]) -> None:
    """Write the two files of a result.

    Args:
        folder: of the run.
        weights: of encoder, decoder and rate model.
        recipe: that they were trained by.
        notes: for the checkpoint.
    """
    network = {n: array for n, array in weights.items() if not n.startswith(_PREFIX)}
    between = {n.removeprefix(_PREFIX): a for n, a in weights.items() if n.startswith(_PREFIX)}
    if recipe.cae.quantizer == "noise":
        between[LAMBDAS] = rates(recipe).lambdas()
    else:
        del between["steps"]
    write_rate_model(folder / RATE_MODEL, between, checkpoint.digest(network))
    found = checkpoint.Checkpoint(
        registry.get(MODEL), recipe.cae.config, network, {"training": notes}
    )
    checkpoint.write(folder / BEST, found)


def write_rate_model(path: Path, arrays: fit.Weights, network: str) -> None:
    """Write what is between encoder and decoder, as safetensors.

    Args:
        path: of the file.
        arrays: the variables of `rate_model`'s layer by name, float32: log_gains (Q,C), kernel
            (5,5,C,H), bias (Q,H), out_kernel (1,1,H,2C), out_bias (Q,2C), before and
            before_spread (1,1,C,C), of which the part above the diagonal counts; and lambdas (Q),
            float64. With trained centers: centers (L), float32, alone.
        network: the digest of the network's weights that it belongs to.
    """
    save = require("safetensors.numpy", "train").save
    data = save({n: np.asarray(a, order="C") for n, a in arrays.items()}, {FORMAT: network})
    make_folder(path.parent)
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def read_rate_model(path: Path, network: str) -> fit.Weights:
    """Read what `write_rate_model` wrote.

    Args:
        path: of the file.
        network: the digest of the network's weights that it must belong to.

    Raises:
        UserError: the file is missing or damaged, or belongs to another network.
    """
    check_is_file(path, "the rate model of a compressive autoencoder (.safetensors)")
    safetensors = require("safetensors", "train")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            belongs = (file.metadata() or {})[FORMAT]
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, KeyError, OSError):
        raise UserError(f"{path} is damaged, or no rate model; `edge-sr train` writes it") from None
    if belongs != network:
        raise UserError(f"{path} belongs to another network than the checkpoint beside it")
    return arrays


def read_result(path: Path) -> Result:
    """The network of a run's best.safetensors, with its rate model.

    Raises:
        UserError: a file is missing or damaged, or the checkpoint is of another model.
    """
    source = checkpoint.read_for(path, MODEL, 1)
    checkpoint.require_float(source)
    assert isinstance(source.config, CaeConfig)
    between = read_rate_model(path.with_name(RATE_MODEL), checkpoint.digest(source.weights))
    lambdas = between.pop(LAMBDAS, None)
    prefixed = {_PREFIX + name: array for name, array in between.items()}
    return Result(source.config, {**source.weights, **prefixed}, lambdas)


def _start(start: Result, recipe: Recipe, initial: fit.Weights) -> fit.Weights:
    """The weights of a result for a recipe's size and qualities."""
    weights = start.weights
    if start.config != recipe.cae.config:
        weights = widen.widened(weights, start.config, recipe.cae.config, initial)
    if recipe.cae.quantizer == "noise" and start.lambdas is not None:
        low, high = (float(each) for each in start.lambdas[[0, -1]])
        trained = rate_model.Rates(len(start.lambdas), low, high)
        weights = widen.at_qualities(weights, trained, rates(recipe))
    counters = {name: array for name, array in initial.items() if name == f"{_PREFIX}steps"}
    return {**counters, **weights}
