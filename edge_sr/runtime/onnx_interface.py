"""Checks an .onnx before ONNX Runtime opens it, and reads its interface."""

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from edge_sr.errors import UserError, require
from edge_sr.records import Precision
from edge_sr.runtime.arrays import ArrayInterface, ArraySpec, is_vector
from edge_sr.runtime.interfaces import (
    CLASSIFIER_CHANNELS,
    PART_CHANNELS,
    UPSCALER_CHANNELS,
    check_classifier,
    check_upscaler,
    classifier_interface,
    part_interface,
)
from edge_sr.runtime.session import Activation, Classes, Interface, TensorSpec

_DTYPES = {1: "float32", 2: "uint8", 3: "int8"}  # TensorProto.DataType

# Operators whose output pixels each depend on the same pixel of the inputs only. A Reshape may only
# drop or add the axis of a single channel; any other fails the shape check of each run.
_PIXELWISE = frozenset(
    (
        *("Add", "Cast", "Clip", "Concat", "DequantizeLinear", "Div", "Identity", "LeakyRelu"),
        *("Max", "Min", "Mul", "PRelu", "QuantizeLinear", "Relu", "Reshape", "Sigmoid", "Sub"),
        *("Tanh", "Transpose"),
    )
)
_AXES = ([0, 3, 1, 2], [0, 2, 3, 1], [0, 1, 2, 3])  # between NHWC and NCHW
_MOVING = frozenset(("Concat", "DepthToSpace", "Identity", "Reshape", "Transpose"))
_INTEGER = frozenset(("QuantizeLinear", "ConvInteger", "MatMulInteger"))
_ACTIVATIONS: dict[str, Activation] = {"Softmax": "softmax", "Sigmoid": "sigmoid"}


OPEN_SIDE = 64
"""The size that stands for an open one of any axis but the batch."""


@dataclass(frozen=True)
class _Extent:
    """Resolution of a tensor relative to the input, and its receptive field in input pixels.

    The reach is None where it is unknown, so that an image cannot be cut into tiles.
    """

    factor: Fraction = Fraction(1)
    reach: Fraction | None = Fraction(0)


def read_interface(data: bytes) -> Interface:
    """Return the interface of an .onnx that upscales images of one channel or RGB, NHWC or NCHW.

    Raises:
        UserError: the file is damaged, or it is not such a network.
    """
    facts = _read(data, UPSCALER_CHANNELS)
    check_upscaler(facts.extent.factor, facts.channels, facts.ends_in_sigmoid)
    reach = facts.extent.reach
    return Interface(
        int(facts.extent.factor),
        None if reach is None else math.ceil(reach),
        facts.source,
        facts.target,
        facts.fixed_size,
        channels=facts.channels,
        layers=facts.layers,
        channels_first=facts.channels_first,
    )


def read_part(data: bytes) -> Interface:
    """Return the interface of an .onnx (NHWC) that is the encoder or the decoder of a codec.

    Raises:
        UserError: the file is damaged, or it is not such a network.
    """
    facts = _read(data, (PART_CHANNELS,))
    if facts.channels_first or facts.extent.reach is None:
        raise UserError("the part of a codec takes images (1, H, W, 3) of any size")
    halo = math.ceil(facts.extent.reach)
    return part_interface(facts.extent.factor, halo, facts.source, facts.target, facts.fixed_size)


def read_classifier(data: bytes) -> Interface:
    """Return the interface of an .onnx that classifies images of one channel or RGB, NHWC or NCHW.

    Raises:
        UserError: the file is damaged, or it is not such a network.
    """
    graph = _parse(data).graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    if not inputs or not graph.output:
        raise UserError("the model has no input or no output; a classifier has one of each")
    source, target = inputs[0], graph.output[0]
    shape, first = _dims(source), _is_channels_first(_dims(source), CLASSIFIER_CHANNELS)
    if first:
        shape = (shape[0], *shape[2:], shape[1])
    check_classifier(len(inputs), len(graph.output), shape, _dims(target))
    interface = classifier_interface(
        _spec(source, _forward(graph, source.name), constants, "input"),
        _spec(target, _backward(graph, target.name), constants, "output"),
        shape,
        Classes(_dims(target)[1], _ACTIVATIONS.get(_last_operator(graph), "none")),
        _precision(graph),
    )
    return replace(interface, channels_first=first)


def read_arrays(data: bytes) -> ArrayInterface:
    """Return what an .onnx of any kind takes; open sizes have a size that stands for them.

    Raises:
        UserError: the file is damaged, or an input has no shape or is not an array of numbers.
    """
    graph = _parse(data).graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    if not inputs or not graph.output:
        raise UserError("the model has no input or no output")
    axes = [axis for axis, side in enumerate(_dims(inputs[0])) if axis and side < 1]
    chosen = len(inputs) == 1 and len(_dims(inputs[0])) == 4 and len(axes) == 2
    return ArrayInterface(
        tuple(_array_spec(value) for value in inputs),
        _precision(graph),
        any(is_vector(_dims(value)) for value in graph.output),
        (axes[0], axes[1]) if chosen else None,
        _is_channels_first(_dims(inputs[0]), UPSCALER_CHANNELS),
    )


def _array_spec(value: Any) -> ArraySpec:
    import onnx

    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        raise UserError(f"the model's input {value.name!r} has no shape")
    try:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name
    except (KeyError, TypeError, ValueError):
        raise UserError(f"the model's input {value.name!r} is not an array of numbers") from None
    sides = enumerate(_dims(value))
    shape = tuple(side if side > 0 else OPEN_SIDE if axis else 1 for axis, side in sides)
    return ArraySpec(dtype, shape)


def output_rank(data: bytes) -> int:
    """Return the number of axes of the first output of an .onnx; 0 if it has none.

    Raises:
        UserError: the file is damaged.
    """
    outputs = _parse(data).graph.output
    return len(_dims(outputs[0])) if outputs else 0


@dataclass(frozen=True)
class _Facts:
    """What is read from a graph with one input image and one output image."""

    extent: _Extent
    source: TensorSpec
    target: TensorSpec
    fixed_size: tuple[int, int] | None
    channels: int
    ends_in_sigmoid: bool
    layers: Precision
    channels_first: bool


def _read(data: bytes, allowed: tuple[int, ...]) -> _Facts:
    graph = _parse(data).graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise UserError(
            f"the model has {len(inputs)} inputs and {len(graph.output)} outputs; it needs one each"
        )
    source, target = inputs[0], graph.output[0]
    first = _is_channels_first(_dims(source), allowed)
    last = _dims(source)[1 if first else -1 :]
    channels = last[0] if last and last[0] in allowed else allowed[0]
    try:
        extent = _extent(graph, constants, source.name, target.name)
    except UserError:
        sized = _extent_of_sizes(source, target, first)
        if sized is None:
            raise
        extent = sized
    height, width = _sizes(source, "input", channels, first)
    _sizes(target, "output", channels, first)
    return _Facts(
        extent,
        _spec(source, _forward(graph, source.name), constants, "input"),
        _spec(target, _backward(graph, target.name), constants, "output"),
        (height, width) if height and width else None,
        channels,
        _last_operator(graph) == "Sigmoid",
        _precision(graph),
        first,
    )


def _is_channels_first(shape: tuple[int, ...], allowed: tuple[int, ...]) -> bool:
    """Return whether an image's shape is (1,C,H,W), as PyTorch writes it, and not (1,H,W,C)."""
    return len(shape) == 4 and shape[3] not in allowed and shape[1] in allowed


def _extent_of_sizes(source: Any, target: Any, channels_first: bool) -> _Extent | None:
    """The extent of a network that cannot be tiled, by its fixed sizes; None without such."""
    sides = slice(2, 4) if channels_first else slice(1, 3)
    before, after = _dims(source)[sides], _dims(target)[sides]
    if len(before) != 2 or len(after) != 2 or min(*before, *after) < 1:
        return None
    ratios = {Fraction(large, small) for large, small in zip(after, before, strict=True)}
    return _Extent(ratios.pop(), None) if len(ratios) == 1 else None


def _precision(graph: Any) -> Precision:
    """Return "int8" for a graph that quantizes: QDQ, or operators of integers."""
    names = {node.op_type for node in graph.node}
    return "int8" if names & _INTEGER or any("QLinear" in name for name in names) else "float32"


def _last_operator(graph: Any) -> str:
    """The last operator that computes values, or "" if there is none."""
    skipped = _MOVING | {"QuantizeLinear", "DequantizeLinear"}
    computing = [node.op_type for node in graph.node if node.op_type not in skipped]
    return computing[-1] if computing else ""


def load(data: bytes) -> Any:
    """Return an .onnx as onnx reads it; weights that are in other files are not read.

    Raises:
        UserError: the onnx extra is missing, or the file is not an .onnx or is damaged.
    """
    onnx = require("onnx", "onnx")
    try:
        model = onnx.load_model_from_string(data)
        if not _external(model):  # the checker would look for the files in the working folder
            onnx.checker.check_model(model)
    except Exception:  # protobuf's and the checker's errors share no narrower base
        raise UserError(
            "this is not an ONNX model, or it is damaged; `edge-sr export` writes one"
        ) from None
    return model


def external_obstacle(data: bytes) -> str:
    """Return what is in the way of an .onnx whose weights are in other files; "" for any other.

    Raises:
        UserError: as in `load`.
    """
    files = _external(load(data))
    if not files:
        return ""
    return (
        f"the model keeps weights in other files ({', '.join(files)}); they must be inside the "
        "onnx: onnx.save(onnx.load(path), path) writes them there"
    )


def _external(model: Any) -> list[str]:
    """The files that hold the weights of a graph."""
    tensors = [*model.graph.initializer]
    tensors += [each.t for node in model.graph.node for each in node.attribute]
    locations = {
        entry.value
        for tensor in tensors
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return sorted(locations)


def _parse(data: bytes) -> Any:
    problem = external_obstacle(data)
    if problem:
        raise UserError(problem)
    return load(data)


def _extent(graph: Any, constants: dict[str, Any], source: str, target: str) -> _Extent:
    extents: dict[str, _Extent] = {source: _Extent()}
    for node in graph.node:
        before = [extents[name] for name in node.input if name in extents]
        if node.op_type == "Shape" or not before:
            continue  # computed from a shape or from constants only: not an image
        factor, reached = max(e.factor for e in before), max(e.reach or 0 for e in before)
        after = _Extent(factor, Fraction(reached))
        if node.op_type == "Conv":
            reach = _conv_reach(node, graph, constants)
            after = _Extent(factor, reached + reach / factor)
        elif node.op_type in ("DepthToSpace", "SpaceToDepth"):
            block = _block(node)
            growth = block if node.op_type == "DepthToSpace" else 1 / block
            after = _Extent(after.factor * growth, after.reach)
        elif node.op_type not in _PIXELWISE or not _keeps_axes(node):
            raise UserError(f"the model has the operator {node.op_type}, which cannot be tiled")
        extents.update(dict.fromkeys(node.output, after))
    if target not in extents:
        raise UserError("the model's output does not depend on its input")
    return extents[target]


def _block(node: Any) -> Fraction:
    size = _attributes(node).get("blocksize", 0)
    if size < 1:
        raise UserError(f"the model has a {node.op_type} of block {size}; it must be at least 1")
    return Fraction(size)


def _keeps_axes(node: Any) -> bool:
    """Whether height stays before width; a transposed tile would not fit its neighbours."""
    return node.op_type != "Transpose" or _attributes(node).get("perm") in _AXES


def _conv_reach(node: Any, graph: Any, constants: dict[str, Any]) -> int:
    attributes = _attributes(node)
    if any(step != 1 for step in attributes.get("strides", ())):
        raise UserError("the model has a strided convolution, which cannot be tiled")
    kernel = attributes.get("kernel_shape") or _kernel_shape(node.input[1], graph, constants)
    dilations = attributes.get("dilations") or [1] * len(kernel)
    spans = [dilation * (size - 1) for dilation, size in zip(dilations, kernel, strict=False)]
    if attributes.get("auto_pad", b"NOTSET") in (b"SAME_UPPER", b"SAME_LOWER"):
        return max(spans, default=0)
    pads = attributes.get("pads") or [0] * (2 * len(spans))
    before, after = pads[: len(spans)], pads[len(spans) :]
    if [sum(pair) for pair in zip(before, after, strict=False)] != spans:
        raise UserError("the model has a convolution that changes the image's size")
    return max(pads, default=0)


def _kernel_shape(weights: str, graph: Any, constants: dict[str, Any]) -> list[int]:
    producers = {name: node for node in graph.node for name in node.output}
    while weights not in constants:
        if weights not in producers or not producers[weights].input:
            raise UserError("the model has a convolution whose weights are not constants")
        weights = producers[weights].input[0]
    return list(constants[weights].dims[2:])


def _attributes(node: Any) -> dict[str, Any]:
    import onnx

    return {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}


def _dims(value: Any) -> tuple[int, ...]:
    """The shape of a tensor; 0 where it is not fixed."""
    return tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)


def _sizes(value: Any, role: str, channels: int, channels_first: bool) -> tuple[int, int]:
    """Height and width of an image; 0 where they are not fixed."""
    dims, axis = list(_dims(value)), 1 if channels_first else 3
    if len(dims) != 4 or dims[0] not in (0, 1) or dims[axis] != channels or min(dims) < 0:
        needed = f"[1, {channels}, H, W]" if channels_first else f"[1, H, W, {channels}]"
        raise UserError(f"the model's {role} is {dims}; {needed} is needed")
    height, width = dims[2:] if channels_first else dims[1:3]
    if (height == 0) != (width == 0):
        raise UserError(f"the model's {role} fixes one of height and width; fix both or neither")
    return height, width


def _spec(value: Any, node: Any, constants: dict[str, Any], role: str) -> TensorSpec:
    dtype = _DTYPES.get(value.type.tensor_type.elem_type)
    if dtype is None:
        raise UserError(f"the model's {role} is not int8, uint8 or float32")
    if dtype == "float32":
        return TensorSpec(dtype)
    if node is None or any(name not in constants for name in node.input[1:3]):
        raise UserError(f"the model's {dtype} {role} needs a constant scale and zero point")
    import onnx

    to_array = onnx.numpy_helper.to_array
    values = [to_array(constants[name]) for name in node.input[1:3]]
    scale, zero_point = values[0], values[1]
    if scale.size != 1 or zero_point.size != 1 or not 0 < float(scale.ravel()[0]) < np.inf:
        raise UserError(f"the model's {dtype} {role} needs one positive scale and one zero point")
    return TensorSpec(dtype, float(scale.ravel()[0]), int(zero_point.ravel()[0]))


def _forward(graph: Any, name: str) -> Any:
    """The first DequantizeLinear after the input, or None."""
    moved = {name}
    for node in graph.node:
        if not moved.isdisjoint(node.input[:1]):
            if node.op_type == "DequantizeLinear":
                return node
            if node.op_type in _MOVING:
                moved.update(node.output)
    return None


def _backward(graph: Any, name: str) -> Any:
    """The QuantizeLinear that computes the output, or None."""
    for node in reversed(graph.node):
        if name in node.output:
            if node.op_type == "QuantizeLinear":
                return node
            if node.op_type not in _MOVING or not node.input:
                return None
            name = node.input[0]
    return None
