"""`edge-sr quantize`: tune a float checkpoint for int8."""

from pathlib import Path
from typing import Annotated

import typer

from edge_sr.errors import UserError, require


def quantize(
    checkpoint: Annotated[Path, typer.Option(help="Float checkpoint (.safetensors).")],
    data: Annotated[Path, typer.Option(help="Folder of training images.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the run.", show_default="int8, beside the checkpoint"),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="Name of a recipe or a TOML file.", show_default="int8-x<scale>"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of split and patches.")] = 0,
    epochs: Annotated[int | None, typer.Option(help="Epochs instead of the recipe's.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run stopped.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing run.")] = False,
) -> None:
    """Tune a float network for int8; the best epoch is kept as best.safetensors."""
    folder = out or checkpoint.parent / "int8"
    tune_checkpoint(checkpoint, data, folder, recipe, seed, resume, force, epochs)


def tune_checkpoint(
    checkpoint: Path,
    data: Path,
    folder: Path,
    recipe_name: str | None,
    seed: int,
    resume: bool,
    force: bool,
    epochs: int | None,
) -> None:
    """Tune a float checkpoint into `folder`, showing progress."""
    from edge_sr.models import checkpoint as checkpoints
    from edge_sr.training import recipe as recipes

    source = checkpoints.read(checkpoint)
    recipe = recipes.load(recipe_name or f"int8-x{source.config.scale}")
    if epochs is not None:
        recipe = recipes.with_epochs(recipe, epochs)
    import keras

    require("tf_keras", "train")
    require("tensorflow_model_optimization", "train")
    if keras.backend.backend() != "tensorflow":
        raise UserError("tuning for int8 needs TensorFlow; set KERAS_BACKEND=tensorflow")

    from edge_sr.cli.progress import TrainingDisplay
    from edge_sr.cli.train import make_deterministic, prepare_folder
    from edge_sr.quantize.tune import tune
    from edge_sr.training.samples import load_samples

    samples = load_samples(data, source.config.scale, recipe.data, seed)
    prepare_folder(folder, resume, force)
    make_deterministic(keras, seed)
    with TrainingDisplay(recipe.stop.epochs, recipe.stop.steps_per_epoch, None) as display:
        best = tune(source, recipe, samples, seed, folder, resume, display)
    typer.echo(f"{best}")
