"""`edge-sr train`: train a network on a folder of images."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_sr.cli.common import parse_path, progress
from edge_sr.cli.train_request import Request
from edge_sr.errors import UserError
from edge_sr.zoo.catalog import DEFAULT_MODEL, DEFAULT_RATE, DEFAULT_SCALE

if TYPE_CHECKING:
    from edge_sr.models.registry import ModelSpec
    from edge_sr.training.distil import Upscale
    from edge_sr.training.fit import Weights
    from edge_sr.training.recipe import Recipe
    from edge_sr.training.run import Run
    from edge_sr.training.samples import Samples


def train(
    data: Annotated[
        Path,
        typer.Option(
            parser=parse_path,
            metavar="DIR",
            help="Training images: a plain folder, or DIV2K, FLIR or OSU as unpacked.",
        ),
    ],
    model: Annotated[str, typer.Option(help="Name of the architecture.")] = DEFAULT_MODEL,
    scale: Annotated[
        int | None, typer.Option(help="Scale of a super-resolution network.", show_default="2")
    ] = None,
    blocks: Annotated[
        int | None,
        typer.Option(
            help="Number of blocks, for networks of residual blocks.", show_default="the model's"
        ),
    ] = None,
    width: Annotated[
        int | None,
        typer.Option(help="Width, for networks that come in several.", show_default="the model's"),
    ] = None,
    rate: Annotated[
        int | None,
        typer.Option(help="Rate of a codec: 4, 16, 64 or 256.", show_default=f"{DEFAULT_RATE}"),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Name of a recipe or a TOML file.",
            show_default="x<scale>, the model's own such as rgb-x<scale>, codec or cae-low",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="DIR",
            help="Output folder.",
            show_default="runs/<model>-x<scale>, runs/<model>-<rate> or runs/<recipe>",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights and patches.")] = 0,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs of float training, instead of the recipe's.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the run in the output folder.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing run.")] = False,
    int8: Annotated[
        bool, typer.Option("--int8", help="Afterwards, quantize the network to int8 (QAT).")
    ] = False,
    int8_recipe: Annotated[
        str | None,
        typer.Option(
            help="Recipe of the quantization-aware training.",
            show_default="int8-x<scale>, int8-adam-x<scale> or int8-rgb-x<scale>",
        ),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(help="Teacher, for recipes with `teacher`: a shipped model's name or a file."),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path, metavar="FILE", help="Float checkpoint with the initial weights."
        ),
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write TensorBoard logs.")
    ] = False,
    strategy: Annotated[
        str | None,
        typer.Option(
            help="Split each batch by tf.distribute: mirrored (all GPUs of this machine) or "
            "multiworker (the machines in TF_CONFIG).",
            show_default="none",
        ),
    ] = None,
) -> None:
    """Train a network; the best epoch's weights become best.safetensors.

    Keras 3 trains on the backend that KERAS_BACKEND names (tensorflow, jax or torch).
    """
    from edge_sr.models import registry
    from edge_sr.training.run import Run

    if int8_recipe is not None and not int8:
        raise UserError("--int8-recipe needs --int8: give --int8 as well")
    codec = registry.get(model).kind == "codec"
    if strategy is not None and (int8 or codec):
        raise UserError("--strategy is for float training of networks that upscale")
    request = Request(data, recipe, seed, epochs, start, int8, int8_recipe)
    sizes = {"blocks": blocks, "width": width}
    options = {name: value for name, value in sizes.items() if value is not None}
    if codec:
        from edge_sr.cli.train_codec import CAE_RECIPE, train_cae, train_codec

        if model == "cae":
            if options or scale is not None or teacher is not None or rate is not None or int8:
                raise UserError(
                    "cae takes size and qualities from its recipe, and no --scale, --blocks, "
                    "--width, --rate, --teacher or --int8"
                )
            folder = out or Path("runs") / Path(recipe or CAE_RECIPE).stem
            train_cae(request, Run(folder, resume, force, tensorboard))
            return
        if options or scale is not None or teacher is not None:
            raise UserError(
                f"{model} is a codec: it has a --rate, and no --scale, --blocks, --width or "
                "--teacher"
            )
        rate = DEFAULT_RATE if rate is None else rate
        folder = out or Path("runs") / f"{model}-{rate}"
        train_codec(model, rate, request, Run(folder, resume, force, tensorboard))
        return
    if rate is not None:
        raise UserError(f"{model} has no rate: --rate is for codecs, such as tinycompress")
    scale = DEFAULT_SCALE if scale is None else scale
    sized = "-".join([model, *map(str, options.values()), f"x{scale}"])
    run = Run(out or Path("runs") / sized, resume, force, tensorboard)
    _train_upscaler(registry.get(model), scale, options, request, teacher, strategy, run)


def _train_upscaler(
    spec: "ModelSpec",
    scale: int,
    options: dict[str, int],
    request: Request,
    teacher: str | None,
    strategy: str | None,
    run: "Run",
) -> None:
    """Train a super-resolution network, and quantize it if requested."""
    from edge_sr.cli.progress import show_training
    from edge_sr.data.datasets import find_pairs
    from edge_sr.models.namespaces import import_keras
    from edge_sr.training import recipe as recipes
    from edge_sr.training.distil import distilled
    from edge_sr.training.distribute import share
    from edge_sr.training.run import check, train_upscaler
    from edge_sr.training.samples import load_samples
    from edge_sr.training.start import Plan

    config = spec.config(scale, **options)
    recipe = recipes.load_for(request.recipe or recipes.default(scale, spec.family), scale)
    recipe = request.shortened(recipe)
    find_pairs(request.data, scale)  # a missing folder is reported before a missing package
    upscale = _teacher(teacher, recipe, scale, spec.channels)
    check(run)
    import_keras()
    own_share = None if strategy is None else share(strategy)
    init = _initial_weights(request.start, spec, scale, recipe)
    samples = load_samples(request.data, scale, recipe, spec.channels)
    if request.int8:
        int8_recipe, int8_samples = _int8_data(request, recipe, scale, spec)
    if upscale:
        watch = partial(progress, what="running the teacher", count=len(samples.train))
        samples = distilled(samples, upscale, recipe.teacher, watch)
    plan = Plan(spec, config, recipe, request.seed, init)
    best = train_upscaler(plan, samples, run, own_share, show_training)
    if best:
        typer.echo(f"{best}")
    if request.int8:
        from edge_sr.quantize.run import quantize

        seed = request.seed
        typer.echo(
            f"{quantize(run.best, int8_recipe, int8_samples, seed, run.int8, show_training)}"
        )


def _initial_weights(
    path: Path | None, spec: "ModelSpec", scale: int, recipe: "Recipe"
) -> "Weights | None":
    """The weights of the checkpoint to start from, if one is given."""
    from edge_sr.models import checkpoint

    if path is None:
        return None
    if recipe.expand or recipe.norm != "none":
        raise UserError(
            f"recipe {recipe.name} trains over-parameterized or normalized convolutions, which "
            "cannot start from a checkpoint: checkpoints are folded; set expand = 0 and "
            'norm = "none"'
        )
    source = checkpoint.read_for(path, spec.name, scale)
    checkpoint.require_float(source)
    return source.weights


def _teacher(name: str | None, recipe: "Recipe", scale: int, channels: int) -> "Upscale | None":
    """The teacher, if the recipe has one."""
    from edge_sr.training.teacher import open_teacher

    if name is None:
        if recipe.teacher:
            raise UserError(f"recipe {recipe.name} learns from a teacher: name it with --teacher")
        return None
    if not recipe.teacher:
        raise UserError(
            f"recipe {recipe.name} has no teacher; leave out --teacher, or set teacher = 0.5, say"
        )
    return open_teacher(name, scale, channels)


def _int8_data(
    request: Request, recipe: "Recipe", scale: int, spec: "ModelSpec"
) -> tuple["Recipe", "Samples"]:
    """Recipe and samples of the quantization-aware training, checked before float training.

    The same images are held out as in float training.
    """
    from edge_sr.quantize.run import check_recipe
    from edge_sr.training import recipe as recipes
    from edge_sr.training.samples import load_samples

    name = request.int8_recipe or recipes.default_int8(scale, spec.family)
    int8_recipe = recipes.load_for(name, scale)
    check_recipe(int8_recipe)
    int8_recipe = recipes.with_validation_images(int8_recipe, recipe.data.validation_images)
    return int8_recipe, load_samples(request.data, scale, int8_recipe, spec.channels)
