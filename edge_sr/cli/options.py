"""Options that name a network, shared by several commands, with their shell completion."""

from typing import Annotated

import typer

from edge_sr.errors import UserError
from edge_sr.zoo import catalog
from edge_sr.zoo.catalog import DEFAULT_MODEL, DEFAULT_SCALE


def complete_network(incomplete: str) -> list[str]:
    """Complete the id of a shipped network."""
    return [name for name in catalog.ids() if name.startswith(incomplete)]


def complete_upscaler(incomplete: str) -> list[str]:
    """Complete the id of a shipped upscaler."""
    return [name for name in catalog.ids("super-resolution") if name.startswith(incomplete)]


def complete_codec(incomplete: str) -> list[str]:
    """Complete the id of a shipped codec, or the name of the pair that has all qualities."""
    codecs = catalog.entries("codec")
    pair = [catalog.LEARNED] if any(codec.has_qualities for codec in codecs) else []
    names = [*(codec.id for codec in codecs), *pair]
    return [name for name in names if name.startswith(incomplete)]


ModelArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL",
        autocompletion=complete_network,
        help="Id of a shipped network (`edge-sr models`), or a file.",
        show_default=f"{DEFAULT_MODEL}-x{DEFAULT_SCALE}",
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        autocompletion=complete_network,
        help="The same as MODEL.",
        show_default=False,
    ),
]

NetworkOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        autocompletion=complete_upscaler,
        help="Id of a shipped network (`edge-sr models`), or a .tflite, .onnx, .safetensors file.",
        show_default=f"{DEFAULT_MODEL}-x{DEFAULT_SCALE}",
    ),
]


def one_model(argument: str | None, option: str | None) -> str:
    """Return the model given as MODEL or as `--model`, else the default one.

    Raises:
        UserError: both are given.
    """
    if argument is not None and option is not None:
        raise UserError(f"name the model once: as {argument!r} or as --model {option!r}")
    if argument is not None:
        return argument
    return DEFAULT_MODEL if option is None else option
