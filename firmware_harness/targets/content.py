"""The content of a library: a network with its runtime."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from edge_sr.engine.frame_plan import FramePlan
from edge_sr.errors import UserError
from edge_sr.graph import Graph, Tensor, scale
from edge_sr.runtime.pixels import describe
from edge_sr.runtime.session import TensorSpec

ENGINES = ("streaming", "tflm")

_MAX_NAME = 48
_OWN = ("esr", "upscale", "checksum", "test", "main")  # prefixes of the library's other files
_PLAIN = re.compile(r"[a-z]\w*_(x\d+|model)(_\w+)?")  # with a scale, or with the word model


@dataclass(frozen=True)
class Content:
    """A network with its runtime.

    Attributes:
        engine: one of `ENGINES`; also the folder name of its templates.
        form: the name of the templates of its header and its use: "streaming", "frames" for a
            network of one size, or "tflm".
        files: texts for the library's src/, by file name.
        fields: values for templates, by placeholder.
        ram: bytes of RAM that the runtime needs for the example's frame.
        facts: rows of a table for people, as name and value.
    """

    engine: str
    form: str
    files: Mapping[str, str]
    fields: Mapping[str, str]
    ram: int
    facts: tuple[tuple[str, str], ...]


def check_engine(name: str) -> None:
    """Refuse an unknown engine.

    Raises:
        UserError: the engine is unknown.
    """
    if name not in ENGINES:
        raise UserError(f"unknown engine {name!r}; available: {', '.join(ENGINES)}")


def upscales(network: Graph) -> bool:
    """Return whether a network maps one int8 image to one that is larger by a whole factor."""
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        return False
    ends = network.input, network.output
    if any(each.dtype != "int8" or each.quantization is None for each in ends):
        return False
    try:
        return scale(network) >= 1 and network.input.shape[0] == 1
    except UserError:
        return False


def identifier(name: str) -> str:
    """Return a network's name as an identifier for C, CMake and Kconfig, such as tinypssr_x2.

    A name without a scale may be a header or symbol of the C library, a target of CMake or a symbol
    of Kconfig, such as math, run_tests or main_stack_size; it gets the prefix model_.
    """
    text = re.sub(r"[^a-z0-9]+", "_", name.lower())[:_MAX_NAME].strip("_")
    plain = _PLAIN.fullmatch(text) and not text.startswith(_OWN)
    return text if plain else f"model_{text}".rstrip("_")


def network_fields(network: Graph, name: str) -> dict[str, str]:
    """Return the template fields that describe an upscaler."""
    return {
        **name_fields(name),
        **_types(network),
        "KIND": f"{network.input.dtype}, x{scale(network)}",
        "SCALE": f"{scale(network)}",
        "CHANNELS_IN": f"{network.input.shape[3]}",
        "CHANNELS_OUT": f"{network.output.shape[3]}",
        "VALUE_IN": _value(network.input),
        "VALUE_OUT": _value(network.output),
    }


def frame_fields(network: Graph, plan: FramePlan, name: str) -> dict[str, str]:
    """Return the template fields that describe a network of one size, by its first output."""
    classes, first = is_classifier(plan), network.tensors[network.outputs[0]]
    rows, outputs = _rows(plan.out_shape), len(plan.outputs)
    if classes:
        rows += ", the scores of its classes"
    if outputs > 1:
        rows += f"; the first of {outputs} outputs, esr_begin_outputs() of esr.h gives all"
    kind = f"classifier of {plan.out_shape[2]} classes" if classes else "network of one size"
    return {
        **name_fields(name),
        **_types(network),
        "KIND": f"{network.input.dtype}, {kind}",
        "IN_ROWS": _rows(plan.in_shape),
        "OUT_ROWS": rows,
        "VALUE_IN": _value(network.input),
        "VALUE_OUT": _value(first, is_image=not classes),
    }


def _types(network: Graph) -> dict[str, str]:
    """Return the types of input and output rows, which C code takes as int8 all the same."""
    cast = " (cast the pointers to int8_t *)"
    ends = network.input.dtype, network.tensors[network.outputs[0]].dtype
    return {
        role: f"{dtype}{cast if dtype == 'uint8' else ''}"
        for role, dtype in zip(("TYPE_IN", "TYPE_OUT"), ends, strict=True)
    }


def is_classifier(plan: FramePlan) -> bool:
    """Return whether a network maps a frame to one vector of several values, such as scores."""
    height, width, channels = plan.out_shape
    is_vector = height == width == 1 < channels
    return is_vector and len(plan.outputs) == 1 and plan.in_shape[:2] != (1, 1)


def _rows(shape: tuple[int, int, int]) -> str:
    height, width, channels = shape
    rows = "one row" if height == 1 else f"{height} rows"
    pixels = "one pixel" if width == 1 else f"{width} pixels"
    return f"{rows} of {pixels} with {channels} channel{'' if channels == 1 else 's'}"


def name_fields(name: str) -> dict[str, str]:
    """Return the template fields that name a network."""
    ident = identifier(name)
    return {"NAME": ident.replace("_", "-"), "IDENT": ident, "UPPER": ident.upper()}


def _value(tensor: Tensor, is_image: bool = True) -> str:
    """Return the formula that decodes a stored value q, and what black and white are."""
    assert tensor.quantization is not None  # the planner has checked it
    (factor, *_), (zero_point, *_) = tensor.quantization.scale, tensor.quantization.zero_point
    formula = f"(q {'-' if zero_point > 0 else '+'} {abs(zero_point)}) * {factor:.9g}"
    spec = TensorSpec(tensor.dtype, factor, zero_point)
    pixels = describe(spec) if is_image and len(tensor.shape) == 4 else ""
    return f"{formula}; {pixels}" if pixels else formula
