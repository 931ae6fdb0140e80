"""`edge-sr quantize`: tune a float checkpoint for int8."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_sr.cli import runs
from edge_sr.cli.common import parse_path
from edge_sr.cli.runs import Run
from edge_sr.errors import UserError, require
from edge_sr.quiet import quiet_native, quiet_tensorflow

if TYPE_CHECKING:
    from edge_sr.training.recipe import Recipe
    from edge_sr.training.samples import Samples


def quantize(
    checkpoint: Annotated[
        Path,
        typer.Option(parser=parse_path, metavar="FILE", help="Float checkpoint (.safetensors)."),
    ],
    data: Annotated[Path, typer.Option(parser=parse_path, metavar="DIR", help="Training images.")],
    out: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="DIR",
            help="Folder of the run.",
            show_default="int8, beside the checkpoint",
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Name of a recipe or a TOML file.",
            show_default="int8-x<scale>, int8-adam-x<scale>, int8-rgb-x<scale> or int8-codec",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of patches.")] = 0,
    epochs: Annotated[int | None, typer.Option(help="Epochs instead of the recipe's.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run stopped.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing run.")] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write TensorBoard logs as well.")
    ] = False,
) -> None:
    """Tune a float network for int8; the best epoch is kept as best.safetensors."""
    from edge_sr.models import checkpoint as checkpoints
    from edge_sr.training import recipe as recipes
    from edge_sr.training.samples import load_samples

    source = checkpoints.read(checkpoint)
    checkpoints.require_float(source, str(checkpoint))
    scale, codec = source.config.scale, source.spec.kind == "codec"
    usual = "int8-codec" if codec else recipes.default_int8(scale, source.spec.family)
    chosen = recipes.load_for(recipe or usual, scale)
    if epochs is not None:
        chosen = recipes.with_epochs(chosen, epochs)
    run = Run(out or checkpoint.parent / "int8", seed, resume, force, tensorboard)
    runs.check(run, [checkpoint])
    require_tuning(chosen)
    if codec:
        from edge_sr.cli.train_codec import tune_codec
        from edge_sr.training.pictures import load_pictures

        tune_codec(checkpoint, chosen, load_pictures(data, chosen), run)
        return
    samples = load_samples(data, scale, chosen, source.spec.channels)
    tune_checkpoint(checkpoint, chosen, samples, run)


def require_tuning(recipe: "Recipe") -> None:
    """Check that what tuning needs is installed and chosen.

    Raises:
        UserError: it is not, or the recipe is one of float training.
    """
    from edge_sr.runtime.keras import import_keras

    if recipe.ever_rounded:
        raise UserError(
            f"recipe {recipe.name} has `rounded`, which is for float training: tuning rounds by "
            "itself; int8-x2 and int8-x4 are recipes of tuning"
        )

    keras = import_keras()
    if keras.backend.backend() != "tensorflow":
        raise UserError("tuning for int8 needs TensorFlow; set KERAS_BACKEND=tensorflow")
    with quiet_native():
        require("tf_keras", "train")
        require("tensorflow_model_optimization", "train")


def tune_checkpoint(checkpoint: Path, recipe: "Recipe", samples: "Samples", run: Run) -> None:
    """Tune a float checkpoint into the run's folder, showing progress."""
    from edge_sr.cli.progress import TrainingDisplay
    from edge_sr.cli.runs import report
    from edge_sr.models import checkpoint as checkpoints
    from edge_sr.runtime.keras import import_keras
    from edge_sr.training.start import seed_everything

    seed_everything(import_keras(), run.seed)
    with quiet_native():
        from edge_sr.quantize import tune
    quiet_tensorflow()
    source = checkpoints.read(checkpoint)
    with runs.owned(run):
        tuner = tune.Tuner(source, recipe, samples, run.seed, run.folder, run.resume)
        if not tuner.finished():
            with runs.interruptible(), TrainingDisplay(recipe.stop, run.log_folder) as display:
                tuner.run(display)
        report(run)
