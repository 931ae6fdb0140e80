"""`edge-sr train`: a network on a folder of images."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_sr.errors import UserError, require

if TYPE_CHECKING:
    from edge_sr.training.recipe import Recipe


def train(
    data: Annotated[Path, typer.Option(help="Folder of images, plain or laid out as DIV2K.")],
    model: Annotated[str, typer.Option(help="Name of the model.")] = "tinypssr",
    scale: Annotated[int, typer.Option(help="Scale.")] = 2,
    recipe: Annotated[
        str | None,
        typer.Option(help="Name of a recipe or a TOML file.", show_default="x<scale>"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the run.", show_default="runs/<model>-x<scale>"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights, split and patches.")] = 0,
    epochs: Annotated[int | None, typer.Option(help="Epochs instead of the recipe's.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run stopped.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing run.")] = False,
    int8: Annotated[
        bool, typer.Option("--int8", help="Tune the trained network for int8 afterwards.")
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write TensorBoard logs as well.")
    ] = False,
) -> None:
    """Train a network; the best epoch's weights are kept as best.safetensors.

    Keras 3 trains on the backend that KERAS_BACKEND names (tensorflow, jax or torch).
    """
    from edge_sr.models import registry
    from edge_sr.training import recipe as recipes

    config_model = registry.get(model)
    config_model.config(scale)
    chosen = recipes.load(recipe or f"x{scale}")
    if epochs is not None:
        chosen = recipes.with_epochs(chosen, epochs)
    folder = out or Path("runs") / f"{model}-x{scale}"
    require("keras", "train")
    train_float(model, scale, chosen, data, folder, seed, resume, force, tensorboard)
    if int8:
        from edge_sr.cli.quantize import tune_checkpoint

        tune_checkpoint(
            folder / "best.safetensors", data, folder / "int8", None, seed, resume, force, None
        )


def train_float(
    model: str,
    scale: int,
    recipe: "Recipe",
    data: Path,
    folder: Path,
    seed: int,
    resume: bool,
    force: bool,
    tensorboard: bool,
) -> None:
    """Train a float network into `folder`, showing progress."""
    import keras

    from edge_sr.cli.progress import TrainingDisplay
    from edge_sr.models import checkpoint, registry
    from edge_sr.training import fit
    from edge_sr.training import recipe as recipes
    from edge_sr.training.samples import load_samples

    spec = registry.get(model)
    samples = load_samples(data, scale, recipe.data, seed)
    prepare_folder(folder, resume, force)
    make_deterministic(keras, seed)
    network = spec.build(spec.config(scale, expand=recipe.expand), keras)
    identity = {"model": model, "scale": scale, "images": samples.images}
    task = fit.Task(
        network, keras, recipe, scale, samples.train, samples.validation, seed, identity
    )
    notes = {**identity, "recipe": recipes.to_dict(recipe), "seed": seed}

    def keep(weights: fit.Weights) -> None:
        folded = checkpoint.fold(weights)
        checkpoint.write(
            folder / "best.safetensors",
            checkpoint.Checkpoint(spec, spec.config(scale), folded, {"training": notes}),
        )

    stop = recipe.stop
    log = folder / "tensorboard" if tensorboard else None
    with TrainingDisplay(stop.epochs, stop.steps_per_epoch, log) as display:
        fit.fit(task, folder, resume, keep, display)
    typer.echo(f"{folder / 'best.safetensors'}")


def prepare_folder(folder: Path, resume: bool, force: bool) -> None:
    """Make the folder of a run, refusing to overwrite one that is there.

    Raises:
        UserError: the folder is in use, or cannot be made.
    """
    if force and not resume and (folder / "state.safetensors").exists():
        shutil.rmtree(folder)
    if not resume and folder.exists() and any(folder.iterdir()):
        raise UserError(
            f"{folder} exists and is not empty; --resume goes on with its run, "
            "--force replaces a run, --out names another folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {folder}: {error.strerror}") from None


def make_deterministic(keras: Any, seed: int) -> None:
    """Seed the namespace and, on TensorFlow, choose its deterministic kernels."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
