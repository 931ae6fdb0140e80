"""`edge-sr train`: a network on a folder of images."""

import dataclasses
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_sr.cli import runs
from edge_sr.cli.common import parse_path, progress
from edge_sr.cli.runs import Run
from edge_sr.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from edge_sr.models.registry import ModelConfig, ModelSpec
    from edge_sr.training.distribute import Share
    from edge_sr.training.recipe import Recipe
    from edge_sr.training.samples import Samples


def train(
    data: Annotated[
        Path,
        typer.Option(
            parser=parse_path,
            metavar="DIR",
            help="Images, plain or laid out as DIV2K, FLIR or OSU.",
        ),
    ],
    model: Annotated[str, typer.Option(help="Name of the model.")] = "tinypssr",
    scale: Annotated[
        int | None, typer.Option(help="Scale of a super-resolution network.", show_default="2")
    ] = None,
    blocks: Annotated[
        int | None,
        typer.Option(help="Blocks of a network of residual blocks.", show_default="the model's"),
    ] = None,
    width: Annotated[
        int | None,
        typer.Option(help="Width of a network that comes in several.", show_default="the model's"),
    ] = None,
    rate: Annotated[
        int | None,
        typer.Option(help="Rate of a codec: 4, 16, 64 or 256.", show_default="4"),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Name of a recipe or a TOML file.",
            show_default="x<scale>, the model's own such as rgb-x<scale>, or codec",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="DIR",
            help="Folder of the run.",
            show_default="runs/<model>-x<scale>, or runs/<model>-<rate>",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights and patches.")] = 0,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs of the float part instead of the recipe's.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run stopped.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing run.")] = False,
    int8: Annotated[
        bool, typer.Option("--int8", help="Tune the trained network for int8 afterwards.")
    ] = False,
    int8_recipe: Annotated[
        str | None,
        typer.Option(
            help="Recipe of the tuning.",
            show_default="int8-x<scale>, int8-adam-x<scale> or int8-rgb-x<scale>",
        ),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(help="Model that a recipe's `teacher` means: a shipped one's name or a file."),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path, metavar="FILE", help="Float checkpoint to start from, not at random."
        ),
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write TensorBoard logs as well.")
    ] = False,
    strategy: Annotated[
        str | None,
        typer.Option(
            help="Share each batch by tf.distribute: mirrored (all GPUs of this machine) or "
            "multiworker (the machines in TF_CONFIG).",
            show_default="none",
        ),
    ] = None,
) -> None:
    """Train a network; the epoch's weights that the recipe keeps become best.safetensors.

    Keras 3 trains on the backend that KERAS_BACKEND names (tensorflow, jax or torch).
    """
    from edge_sr.models import registry
    from edge_sr.runtime.keras import import_keras
    from edge_sr.training import recipe as recipes
    from edge_sr.training.samples import load_samples

    if int8_recipe is not None and not int8:
        raise UserError("--int8-recipe is for tuning: give --int8 as well")
    if strategy is not None and (int8 or registry.get(model).kind == "codec"):
        raise UserError("--strategy is for float training of networks that upscale")
    if registry.get(model).kind == "codec":
        if any(option is not None for option in (scale, teacher, blocks, width)):
            raise UserError(
                f"{model} is a codec: it has a --rate, and no --scale, --blocks, --width or "
                "--teacher"
            )
        from edge_sr.cli.train_codec import Request, train_codec

        rate = 4 if rate is None else rate
        run = Run(out or Path("runs") / f"{model}-{rate}", seed, resume, force, tensorboard)
        train_codec(Request(model, rate, data, recipe, epochs, start, int8, int8_recipe), run)
        return
    if rate is not None:
        raise UserError(f"{model} has no rate: --rate is for codecs, such as tinycompress")
    scale = 2 if scale is None else scale
    spec = registry.get(model)
    options = {
        name: value for name, value in (("blocks", blocks), ("width", width)) if value is not None
    }
    config = spec.config(scale, **options)
    chosen = recipes.load_for(recipe or recipes.default(scale, spec.family), scale)
    if epochs is not None:
        chosen = recipes.with_epochs(chosen, epochs)
    upscale = _teacher(teacher, chosen, scale, spec.channels)
    folder = out or Path("runs") / "-".join(
        [model, *(str(value) for value in options.values()), f"x{scale}"]
    )
    run = Run(folder, seed, resume, force, tensorboard)
    runs.check(run)
    import_keras()
    share = None if strategy is None else _share(strategy)
    weights = None if start is None else _start(start, spec, config, chosen)
    samples = load_samples(data, scale, chosen, spec.channels)
    if int8:
        tuning, tuning_samples = _prepare_tuning(int8_recipe, chosen, data, scale, spec)
    if upscale:
        from edge_sr.training.distil import taught

        count = len(samples.train)
        watch = partial(progress, what="asking the teacher", count=count)
        samples = taught(samples, upscale, chosen.teacher, watch)
    train_float(spec, config, chosen, samples, run, weights, share)
    if int8:
        from edge_sr.cli.quantize import tune_checkpoint

        part = dataclasses.replace(run, folder=folder / "int8", force=False)
        part = dataclasses.replace(part, resume=resume and part.folder.exists())
        tune_checkpoint(run.best, tuning, tuning_samples, part)


def _share(strategy: str) -> "Share":
    from edge_sr.training.distribute import share

    return share(strategy)


def _start(
    path: Path, spec: "ModelSpec", config: "ModelConfig", recipe: "Recipe"
) -> "dict[str, np.ndarray]":
    """The weights to start from."""
    from edge_sr.models import checkpoint

    if recipe.expand or recipe.norm != "none":
        raise UserError(
            f"recipe {recipe.name} trains over-parameterized or normalized convolutions, which "
            "cannot start from a checkpoint: checkpoints are folded; set expand = 0 and "
            'norm = "none"'
        )
    found = checkpoint.read_for(path, spec.name, config.scale)
    checkpoint.require_float(found, str(path))
    return found.weights


def _teacher(
    name: str | None, recipe: "Recipe", scale: int, channels: int
) -> "Callable[[np.ndarray], np.ndarray] | None":
    """The teacher, if the recipe has one."""
    if name is None:
        if recipe.teacher:
            raise UserError(f"recipe {recipe.name} learns from a teacher: name it with --teacher")
        return None
    if not recipe.teacher:
        raise UserError(f"recipe {recipe.name} gives a teacher no share; set teacher = 0.5, say")
    return open_teacher(name, scale, channels)


def open_teacher(name: str, scale: int, channels: int) -> "Callable[[np.ndarray], np.ndarray]":
    """What a teacher makes of an image, averaged over its eight orientations.

    Args:
        name: a shipped network, in float32, or a model file.
        scale: the factor.
        channels: of the network that learns.

    Raises:
        UserError: no such model, or a network of luma for one of RGB.
    """
    from edge_sr.cli.common import open_model
    from edge_sr.runtime.pixels import run_plane
    from edge_sr.training.distil import colourless, ensemble

    int8 = None if Path(name).suffix else False
    _, session = open_model(name, scale, int8=int8)
    upscale = partial(run_plane, session)
    if (session.channels, channels) == (3, 1):
        upscale = partial(colourless, upscale)
    elif session.channels != channels:
        raise UserError(
            f"the teacher {name} upscales {session.channels} channels; the model takes {channels}"
        )
    return partial(ensemble, upscale)


def _prepare_tuning(
    name: str | None, training: "Recipe", data: Path, scale: int, spec: "ModelSpec"
) -> tuple["Recipe", "Samples"]:
    """What tuning needs, checked before the hours of training; it holds out the same images."""
    from edge_sr.cli.quantize import require_tuning
    from edge_sr.training import recipe as recipes
    from edge_sr.training.samples import load_samples

    recipe = recipes.load_for(name or recipes.default_int8(scale, spec.family), scale)
    held_out = training.data.validation_images
    options = dataclasses.replace(recipe.data, validation_images=held_out)
    require_tuning(recipe)
    recipe = dataclasses.replace(recipe, data=options)
    return recipe, load_samples(data, scale, recipe, spec.channels)


def train_float(
    spec: "ModelSpec",
    config: "ModelConfig",
    recipe: "Recipe",
    samples: "Samples",
    run: Run,
    start: "dict[str, np.ndarray] | None" = None,
    share: "Share | None" = None,
) -> None:
    """Train a float network into the run's folder, showing progress.

    Args:
        spec: the architecture.
        config: of the folded network.
        recipe: how.
        samples: to train on, and to validate by.
        run: where.
        start: weights to start from instead of random ones.
        share: this process's part, where several train one network; the first one alone writes.
    """
    from edge_sr.runtime.keras import import_keras

    keras = import_keras()

    from edge_sr.cli.progress import TrainingDisplay
    from edge_sr.training.start import Plan, prepare

    chief = share is None or share.chief
    with runs.owned(run, "int8") if chief else nullcontext():
        plan = Plan(spec, config, recipe, run.seed, start)
        trainer, keep = prepare(plan, keras, samples, run.folder, run.resume, share)
        if not trainer.finished():
            logs = run.log_folder if chief else None
            with runs.interruptible(), TrainingDisplay(recipe.stop, logs) as display:
                trainer.run(keep, display)
        if chief:
            runs.report(run)
