"""`edge-sr quantize`: make an int8 checkpoint by quantization-aware training (QAT)."""

from pathlib import Path
from typing import Annotated

import typer

from edge_sr.cli.common import parse_path


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
            help="Output folder.",
            show_default="int8, next to the checkpoint",
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Name of a recipe or a TOML file.",
            show_default="int8-x<scale>, or the model's own, such as int8-codec or int8-cae",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of patches.")] = 0,
    epochs: Annotated[int | None, typer.Option(help="Epochs, instead of the recipe's.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the run in the output folder.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing run.")] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write TensorBoard logs.")
    ] = False,
) -> None:
    """Quantize a float network to int8 by quantization-aware training (QAT).

    The best epoch's checkpoint becomes best.safetensors.
    """
    from edge_sr.cli.progress import show_training
    from edge_sr.models import checkpoint as checkpoints
    from edge_sr.quantize import run as quantization
    from edge_sr.training import recipe as recipes
    from edge_sr.training.codec_images import CodecImages, load_codec_images
    from edge_sr.training.run import Run, check
    from edge_sr.training.samples import Samples, load_samples

    source = checkpoints.read(checkpoint)
    checkpoints.require_float(source)
    scale, codec = source.config.scale, source.spec.kind == "codec"
    usual = recipes.default_int8(scale, source.spec.family)
    if codec:
        usual = "int8-cae" if source.spec.name == "cae" else "int8-codec"
    chosen = recipes.load_for(recipe or usual, scale)
    if epochs is not None:
        chosen = recipes.with_epochs(chosen, epochs)
    run = Run(out or checkpoint.parent / "int8", resume, force, tensorboard)
    check(run, [checkpoint])
    quantization.check_recipe(chosen)
    images: Samples | CodecImages
    if codec:
        images = load_codec_images(data, chosen)
    else:
        images = load_samples(data, scale, chosen, source.spec.channels)
    best = quantization.quantize(checkpoint, chosen, images, seed, run, show_training)
    typer.echo(f"{best}")
