"""Describes an .onnx of any kind: its ends, its costs, and which runtimes and commands take it."""

import math
from typing import Any

from edge_sr.errors import UserError
from edge_sr.runtime import onnx_interface, probe
from edge_sr.runtime.description import Description, Door, count_text, door
from edge_sr.runtime.onnx_interface import OPEN_SIDE
from edge_sr.runtime.pixels import pixel_range


def describe_onnx(data: bytes) -> Description:
    """Describe an .onnx.

    Raises:
        UserError: the onnx extra is missing, or the file is not an .onnx or is damaged.
    """
    model = onnx_interface.load(data)
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    ends = [("input", value) for value in inputs] + [("output", value) for value in graph.output]
    texts = {value.name: f"{_dtype(value)} {_shape(value)}" for _, value in ends}
    parameters, (macs, sizes) = f"{_parameters(graph):,}", _macs(model)
    facts = [(role, f"{value.name!r}, {texts[value.name]}") for role, value in ends]
    facts += [
        ("parameters", parameters),
        ("MACs", f"{macs}{sizes}"),
        ("operators", count_text(node.op_type for node in graph.node)),
    ]
    names = [", ".join(texts[value.name] for value in values) for values in (inputs, graph.output)]
    summary = (
        f"{names[0]} to {names[1]}, {parameters} parameters, {macs} MACs, "
        f"{len(graph.node)} operators"
    )
    return Description(summary, (*facts, *_pixels(data)), _doors(data))


def _pixels(data: bytes) -> list[tuple[str, str]]:
    """The ranges of pixels of an upscaler that states them."""
    try:
        interface = onnx_interface.read_interface(data)
        ends = (("input", interface.input), ("output", interface.output))
        return [
            (f"pixels of the {role}", str(pixel_range(spec, role)))
            for role, spec in ends
            if spec.dtype != "float32"
        ]
    except UserError:
        return []


def _doors(data: bytes) -> tuple[Door, ...]:
    external = onnx_interface.external_obstacle(data)
    others = [
        Door(name, "no", ("it takes a .tflite, not an .onnx",))
        for name in ("litert", "tflm", "engine", "firmware")
    ]
    return (
        door("upscale", _upscaler_obstacles(data)),
        door("classify", _classifier_obstacles(data)),
        door("onnx", [external or probe.obstacle("onnx", data)]),
        *others,
    )


def _upscaler_obstacles(data: bytes) -> list[str]:
    try:
        interface = onnx_interface.read_interface(data)
        pixel_range(interface.input, "input")
        pixel_range(interface.output, "output")
    except UserError as error:
        return [str(error)]
    return []


def _classifier_obstacles(data: bytes) -> list[str]:
    try:
        onnx_interface.read_classifier(data)
    except UserError as error:
        return [str(error)]
    return []


def _dtype(value: Any) -> str:
    from onnx import TensorProto

    number = value.type.tensor_type.elem_type
    names = {each: name.lower() for name, each in TensorProto.DataType.items()}
    return {"float": "float32", "double": "float64"}.get(
        names.get(number, ""), names.get(number, f"type {number}")
    )


def _shape(value: Any) -> str:
    if not value.type.tensor_type.HasField("shape"):
        return "of unknown rank"
    sizes = [str(dim.dim_value or "?") for dim in value.type.tensor_type.shape.dim]
    return "x".join(sizes) or "scalar"


def _parameters(graph: Any) -> int:
    """Count the floats of the graph, and the integers that are dequantized."""
    from onnx import TensorProto

    dequantized = {
        name for node in graph.node if node.op_type == "DequantizeLinear" for name in node.input[:1]
    }
    scales = {
        name
        for node in graph.node
        if node.op_type in ("QuantizeLinear", "DequantizeLinear")
        for name in node.input[1:]
    }
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)
    return sum(
        math.prod(tensor.dims)
        for tensor in graph.initializer
        if tensor.name in dequantized or (tensor.data_type in floats and tensor.name not in scales)
    )


def _macs(model: Any) -> tuple[str, str]:
    """MACs of one input, and the sizes that stand for open ones; "unknown" where shapes are."""
    import onnx

    sized = onnx.ModelProto()
    sized.CopyFrom(model)
    is_open = False
    for value in sized.graph.input:
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if not dim.dim_value:
                is_open |= axis > 0
                dim.dim_value = OPEN_SIDE if axis else 1
    for value in [*sized.graph.output, *sized.graph.value_info]:
        value.type.tensor_type.ClearField("shape")
    try:
        inferred = onnx.shape_inference.infer_shapes(sized, data_prop=True).graph
        total = sum(_node_macs(node, _shapes(inferred)) for node in inferred.node)
    except Exception:  # shape inference raises almost any exception
        return "unknown", ""
    return f"{total:,}", f", with {OPEN_SIDE} for open sizes" if is_open else ""


def _shapes(graph: Any) -> dict[str, tuple[int, ...]]:
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in [*graph.input, *graph.output, *graph.value_info]:
        shapes[value.name] = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
    return shapes


def _node_macs(node: Any, shapes: dict[str, tuple[int, ...]]) -> int:
    if node.op_type not in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
        return 0
    source, weights, output = (shapes[name] for name in (*node.input[:2], node.output[0]))
    if node.op_type == "Conv":
        return math.prod(output) * math.prod(weights[1:])
    if node.op_type == "ConvTranspose":
        return math.prod(source) * math.prod(weights[1:])
    return math.prod(output) * source[-1]
