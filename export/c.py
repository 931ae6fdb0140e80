"""Writes a .tflite as C for firmware: an aligned constant array, and constants that describe it."""

import re

import numpy as np

from edge_sr.graph import Graph, Tensor, read_graph
from edge_sr.runtime.pixels import describe
from edge_sr.runtime.session import TensorSpec

ALIGNMENT = 16
_BYTES_PER_LINE = 16
_IMAGE_AXES = ("BATCH", "HEIGHT", "WIDTH", "CHANNELS")

_HEADER = """\
/* {title}
 *
 * Written by edge-sr; the array is the .tflite file, byte for byte, for example for
 * tflite::GetModel() of TensorFlow Lite Micro. Images are NHWC.
 * A quantized value q stands for (q - ZERO_POINT) * SCALE{pixels}.
 */
#ifndef {guard}
#define {guard}

#ifdef __cplusplus
extern "C" {{
#endif

#define {prefix}_SIZE {size}u
#define {prefix}_ALIGNMENT {alignment}u

{constants}

extern const unsigned char {identifier}[{prefix}_SIZE];

#ifdef __cplusplus
}}
#endif

#endif /* {guard} */
"""

_SOURCE = """\
#include "{header_name}"

#if defined(__cplusplus) && __cplusplus >= 201103L
#define EDGE_SR_ALIGNED alignas({alignment})
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define EDGE_SR_ALIGNED _Alignas({alignment})
#elif defined(__GNUC__)
#define EDGE_SR_ALIGNED __attribute__((aligned({alignment})))
#elif defined(_MSC_VER)
#define EDGE_SR_ALIGNED __declspec(align({alignment}))
#else
#error "state here how this compiler aligns an array to {alignment} bytes"
#endif

EDGE_SR_ALIGNED const unsigned char {identifier}[{prefix}_SIZE] = {{
{values}
}};
"""


def write_c(model: bytes, name: str) -> tuple[str, str]:
    """Return a header and a source that hold a .tflite; they compile as C99, C11 and C++.

    Args:
        model: the .tflite.
        name: base name of both files ("name.h", "name.c"); letters, digits, "-" and "_".

    Returns:
        The text of the header and of the source, ASCII.

    Raises:
        UserError: the model is damaged.
    """
    graph = read_graph(model)
    fields = {
        "title": f"{name}: {graph.tensors[graph.inputs[0]].dtype} {_kind(graph)}",
        "identifier": identifier(name),
        "prefix": identifier(name).upper(),
        "guard": f"{identifier(name).upper()}_H_",
        "header_name": f"{name}.h",
        "pixels": _pixels(graph),
        "size": len(model),
        "alignment": ALIGNMENT,
        "constants": "\n\n".join(_constants(graph, identifier(name).upper())),
        "values": "\n".join(_lines(model)),
    }
    return _HEADER.format(**fields), _SOURCE.format(**fields)


def identifier(name: str) -> str:
    """Return the C identifier of the array: tinypssr_x2_int8_tflite for "tinypssr-x2-int8"."""
    text = re.sub(r"\W", "_", f"{name}_tflite", flags=re.ASCII)
    return f"model_{text}" if text[0].isdigit() else text


def _kind(graph: Graph) -> str:
    return "image network" if len(graph.tensors[graph.inputs[0]].shape) == 4 else "network"


def _pixels(graph: Graph) -> str:
    """What black and white are in the input and in the output, if those are images."""
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        return ""
    source, target = (_black_and_white(tensor) for tensor in (graph.input, graph.output))
    if source == target:
        return f"; of images {source}" if source else ""
    texts = ((source, "input"), (target, "output"))
    return "".join(f"; of an image in the {role} {text}" for text, role in texts if text)


def _black_and_white(tensor: Tensor) -> str:
    if len(tensor.shape) != 4:
        return ""
    if tensor.quantization is None:
        return describe(TensorSpec(tensor.dtype))
    (scale, *_), (zero_point, *_) = tensor.quantization.scale, tensor.quantization.zero_point
    return describe(TensorSpec(tensor.dtype, scale, zero_point))


def _constants(graph: Graph, prefix: str) -> list[str]:
    """The constants of each input and output; several of a kind are numbered: INPUT_0, INPUT_1."""
    named = []
    for role, indices in (("INPUT", graph.inputs), ("OUTPUT", graph.outputs)):
        for number, index in enumerate(indices):
            name = f"{prefix}_{role}" if len(indices) == 1 else f"{prefix}_{role}_{number}"
            named.append("\n".join(_tensor_constants(graph.tensors[index], name)))
    return named


def _tensor_constants(tensor: Tensor, prefix: str) -> list[str]:
    lines = [f"/* {tensor.dtype} */"]
    is_image = len(tensor.shape) == 4
    axes = _IMAGE_AXES if is_image else [f"DIM_{axis}" for axis in range(len(tensor.shape))]
    for axis, size in zip(axes, tensor.shape, strict=True):
        lines.append(f"#define {prefix}_{axis} {size}")
    if tensor.quantization is not None and len(tensor.quantization.scale) == 1:
        (scale,), (zero_point,) = tensor.quantization.scale, tensor.quantization.zero_point
        lines.append(f"#define {prefix}_SCALE {_float_literal(scale)}")
        lines.append(f"#define {prefix}_ZERO_POINT ({zero_point})")
    return lines


def _float_literal(value: float) -> str:
    """The shortest decimal that a C compiler reads as the same 32-bit float."""
    return f"{np.format_float_scientific(np.float32(value), trim='0')}f"


def _lines(model: bytes) -> list[str]:
    rows = (model[i : i + _BYTES_PER_LINE] for i in range(0, len(model), _BYTES_PER_LINE))
    return ["    " + " ".join(f"0x{byte:02x}," for byte in row) for row in rows]
