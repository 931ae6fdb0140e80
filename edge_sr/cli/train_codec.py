"""`edge-sr train` for codecs: encoder and decoder together, at one rate."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_sr.cli import runs
from edge_sr.cli.runs import Run
from edge_sr.errors import UserError
from edge_sr.quiet import quiet_native, quiet_tensorflow

if TYPE_CHECKING:
    import numpy as np

    from edge_sr.training.pictures import Pictures
    from edge_sr.training.recipe import Recipe


@dataclass(frozen=True)
class Request:
    """What the command line asks for; None where it leaves it open."""

    model: str
    rate: int
    data: Path
    recipe: str | None
    epochs: int | None
    start: Path | None
    int8: bool
    int8_recipe: str | None


def train_codec(request: Request, run: Run) -> None:
    """Train a float codec, and tune it for int8 if that is asked for."""
    from edge_sr.cli.quantize import require_tuning
    from edge_sr.models import registry
    from edge_sr.runtime.keras import import_keras
    from edge_sr.training import recipe as recipes
    from edge_sr.training.pictures import load_pictures

    if request.model != "tinycompress":
        raise UserError(f"{request.model} is a part of a codec: train tinycompress, which has both")
    registry.get(request.model).config(1, rate=request.rate)
    recipe = recipes.load(request.recipe or "codec")
    if request.epochs is not None:
        recipe = recipes.with_epochs(recipe, request.epochs)
    runs.check(run)
    import_keras()
    if request.int8:
        tuning = recipes.load(request.int8_recipe or "int8-codec")
        held_out = recipe.data.validation_images
        options = dataclasses.replace(tuning.data, validation_images=held_out)
        require_tuning(tuning)
        tuning = dataclasses.replace(tuning, data=options)
    start = None if request.start is None else _start(request.start, request.model)
    pictures = load_pictures(request.data, recipe)
    train_float(request.model, request.rate, recipe, pictures, run, start)
    runs.report(run)
    if request.int8:
        part = dataclasses.replace(run, folder=run.folder / "int8", force=False)
        part = dataclasses.replace(part, resume=run.resume and part.folder.exists())
        tune_codec(run.best, tuning, pictures, part)


def _start(path: Path, model: str) -> "dict[str, np.ndarray]":
    """The weights to start from; those of another rate serve as well."""
    from edge_sr.models import checkpoint

    found = checkpoint.read_for(path, model, 1)
    checkpoint.require_float(found, str(path))
    return found.weights


def train_float(
    model: str,
    rate: int,
    recipe: "Recipe",
    pictures: "Pictures",
    run: Run,
    start: "dict[str, np.ndarray] | None" = None,
) -> None:
    """Train a float codec into the run's folder, showing progress.

    Args:
        model: registered name.
        rate: pixels for each sample of a latent channel.
        recipe: how.
        pictures: to train on, and to validate by.
        run: where.
        start: weights to start from instead of random ones.
    """
    from edge_sr.runtime.keras import import_keras

    keras = import_keras()

    from edge_sr.cli.progress import TrainingDisplay
    from edge_sr.models import checkpoint, registry
    from edge_sr.training import bottleneck, fit
    from edge_sr.training import recipe as recipes
    from edge_sr.training.start import seed_everything

    seed_everything(keras, run.seed)
    network, config = _network(rate, recipe, keras)
    identity = {"model": model, "rate": rate}
    if start:
        parts = checkpoint.variables_of(network)
        own = {n: parts[n].numpy() for n in parts if n.startswith(bottleneck.NAME)}
        checkpoint.assign(network, {**own, **start}, "the checkpoint to start from")
        identity["start"] = checkpoint.digest(start)
    task = fit.Task(network, keras, recipe, 1, pictures, run.seed, identity)
    notes = {
        **identity,
        "images": pictures.images,
        "recipe": recipes.to_dict(recipe),
        "seed": run.seed,
    }

    def keep(weights: fit.Weights) -> None:
        kept = {n: array for n, array in weights.items() if not n.startswith(bottleneck.NAME)}
        spec = registry.get(model)
        found = checkpoint.Checkpoint(
            spec, config.folded, checkpoint.fold(kept), {"training": notes}
        )
        checkpoint.write(run.best, found)

    with runs.owned(run, "int8"):
        trainer = fit.Trainer(task, run.folder, run.resume)
        if not trainer.finished():
            with runs.interruptible(), TrainingDisplay(recipe.stop, run.log_folder) as display:
                trainer.run(keep, display)


def tune_codec(checkpoint: Path, recipe: "Recipe", pictures: "Pictures", run: Run) -> None:
    """Tune a float codec into the run's folder, showing progress."""
    from edge_sr.cli.progress import TrainingDisplay
    from edge_sr.models import checkpoint as checkpoints
    from edge_sr.runtime.keras import import_keras
    from edge_sr.training.start import seed_everything

    seed_everything(import_keras(), run.seed)
    with quiet_native():
        from edge_sr.quantize import codec
    quiet_tensorflow()
    source = checkpoints.read(checkpoint)
    with runs.owned(run):
        trainer, keep = codec.tune(source, recipe, pictures, run.seed, run.folder, run.resume)
        if not trainer.finished():
            with runs.interruptible(), TrainingDisplay(recipe.stop, run.log_folder) as display:
                trainer.run(keep, display)
        runs.report(run)


def _network(rate: int, recipe: "Recipe", keras: Any) -> tuple[Any, Any]:
    """The model with what stands in its middle while it trains, and its config."""
    from edge_sr.models import tinycompress
    from edge_sr.training.bottleneck import bottleneck

    config = tinycompress.CodecConfig(
        rate=rate,
        clip=int(recipe.latents.clip),
        expand=recipe.expand,
        branches=int(recipe.branches),
        norm=recipe.norm,
    )
    layer = None
    if recipe.latents.quantized:
        layer = bottleneck(keras, recipe.latents.rate_weight, rate)
    return tinycompress.autoencoder(config, keras, layer), config
