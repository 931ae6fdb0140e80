"""`edge-sr train` for codecs: encoder and decoder together."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from edge_sr.cli.train_request import Request

if TYPE_CHECKING:
    from edge_sr.training.fit import Weights
    from edge_sr.training.run import Run


CAE_RECIPE = "cae-low"
"""The recipe of `edge-sr train --model cae`."""


def train_codec(model: str, rate: int, request: Request, run: "Run") -> None:
    """Train a float codec, and quantize it if requested.

    Raises:
        UserError: the model is only a part of a codec, or an option is wrong.
    """
    from edge_sr.cli.progress import show_training
    from edge_sr.data.images import list_images
    from edge_sr.models import registry
    from edge_sr.models.namespaces import import_keras
    from edge_sr.quantize.run import check_recipe, quantize
    from edge_sr.training import codec_run
    from edge_sr.training import recipe as recipes
    from edge_sr.training.codec_images import load_codec_images
    from edge_sr.training.run import check

    codec_run.check_model(model)
    registry.get(model).config(1, rate=rate)
    recipe = request.shortened(recipes.load(request.recipe or "codec"))
    list_images(request.data)  # a missing folder is reported before a missing package
    check(run)
    import_keras()
    if request.int8:
        int8_recipe = recipes.load(request.int8_recipe or "int8-codec")
        check_recipe(int8_recipe)
        held_out = recipe.data.validation_images
        int8_recipe = recipes.with_validation_images(int8_recipe, held_out)
    init = None if request.start is None else _initial_weights(request.start, model)
    images = load_codec_images(request.data, recipe)
    plan = codec_run.CodecPlan(rate, recipe, request.seed, init)
    typer.echo(f"{codec_run.train_codec(plan, images, run, show_training)}")
    if request.int8:
        seed = request.seed
        typer.echo(f"{quantize(run.best, int8_recipe, images, seed, run.int8, show_training)}")


def train_cae(request: Request, run: "Run") -> None:
    """Train a float compressive autoencoder.

    Raises:
        UserError: an option is wrong.
    """
    from edge_sr.cli.progress import show_training
    from edge_sr.data.images import list_images
    from edge_sr.models.namespaces import import_keras
    from edge_sr.training import cae_run
    from edge_sr.training import recipe as recipes
    from edge_sr.training.codec_images import load_codec_images
    from edge_sr.training.run import check

    recipe = request.shortened(recipes.load_for(request.recipe or CAE_RECIPE, 1))
    cae_run.check_recipe(recipe)
    list_images(request.data)  # a missing folder is reported before a missing package
    check(run)
    import_keras()
    start = None if request.start is None else cae_run.read_result(request.start)
    images = load_codec_images(request.data, recipe)
    plan = cae_run.CaePlan(recipe, request.seed, start)
    typer.echo(f"{cae_run.train_cae(plan, images, run, show_training)}")


def _initial_weights(path: Path, model: str) -> "Weights":
    """The weights of the checkpoint to start from; one of another rate fits as well."""
    from edge_sr.models import checkpoint

    source = checkpoint.read_for(path, model, 1)
    checkpoint.require_float(source)
    return source.weights
