"""What goes into a library: a network with the runtime that it is for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from edge_sr.errors import UserError
from edge_sr.graph import Graph, Tensor, not_integer, scale

ENGINES = ("streaming", "tflm")

_MAX_NAME = 48
_TAKEN = ("esr", "upscale", "checksum", "test", "main")  # how the files beside it begin


@dataclass(frozen=True)
class Content:
    """A network with the runtime that it is for.

    Attributes:
        engine: one of `ENGINES`; also the name of its templates.
        files: texts for the library's src/, by file name.
        fields: for templates.
        ram: bytes that the runtime takes for the example's frame.
        facts: rows of a table for people.
    """

    engine: str
    files: Mapping[str, str]
    fields: Mapping[str, str]
    ram: int
    facts: tuple[tuple[str, str], ...]


def check_engine(name: str) -> None:
    """Refuse an engine that does not exist.

    Raises:
        UserError: so.
    """
    if name not in ENGINES:
        raise UserError(f"there is no engine {name!r}; there are {', '.join(ENGINES)}")


def check_network(network: Graph) -> None:
    """Refuse what is no int8 super-resolution network.

    Raises:
        UserError: so; the text names the tensor.
    """
    floats = not_integer(network)
    if floats:
        raise UserError(
            f"a library is made of an int8 model, and {floats[0]}; export it with --int8"
        )
    scale(network)


def identifier(name: str) -> str:
    """A network's name as C, CMake and Kconfig take it: "tinypssr-x2" is tinypssr_x2."""
    text = re.sub(r"[^a-z0-9]+", "_", name.lower())[:_MAX_NAME].strip("_")
    plain = text[:1].isalpha() and not text.startswith(_TAKEN)
    return text if plain else f"model_{text}".rstrip("_")


def network_fields(network: Graph, name: str) -> dict[str, str]:
    """The fields of templates that say what a network is."""
    ident = identifier(name)
    return {
        "NAME": ident.replace("_", "-"),
        "IDENT": ident,
        "UPPER": ident.upper(),
        "SCALE": f"{scale(network)}",
        "CHANNELS_IN": f"{network.input.shape[3]}",
        "CHANNELS_OUT": f"{network.output.shape[3]}",
        "VALUE_IN": _value(network.input),
        "VALUE_OUT": _value(network.output),
    }


def _value(tensor: Tensor) -> str:
    """What a stored value q stands for."""
    assert tensor.quantization is not None  # `check_network` has seen to it
    (factor, *_), (zero_point, *_) = tensor.quantization.scale, tensor.quantization.zero_point
    return f"(q {'-' if zero_point > 0 else '+'} {abs(zero_point)}) * {factor:.9g}"
