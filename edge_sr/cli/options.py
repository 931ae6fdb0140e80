"""Options that several commands share: the model, as an argument or as `--model`."""

from typing import Annotated

import typer

from edge_sr.errors import UserError
from edge_sr.zoo.catalog import DEFAULT_MODEL, DEFAULT_SCALE

ModelArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL",
        help="Id of a shipped network (`edge-sr models`), or a file.",
        show_default=f"{DEFAULT_MODEL}-x{DEFAULT_SCALE}",
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", metavar="MODEL", help="The same as MODEL.", show_default=False),
]

NetworkOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="Id of a shipped network (`edge-sr models`), or a .tflite, .onnx, .safetensors file.",
        show_default=f"{DEFAULT_MODEL}-x{DEFAULT_SCALE}",
    ),
]


def one_model(argument: str | None, option: str | None) -> str:
    """Return the model that a command is given as MODEL or as `--model`, else the default one.

    Raises:
        UserError: both are given.
    """
    if argument is not None and option is not None:
        raise UserError(f"name the model once: as {argument!r} or as --model {option!r}")
    if argument is not None:
        return argument
    return DEFAULT_MODEL if option is None else option
