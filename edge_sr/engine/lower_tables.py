"""Lowers operators that map each value by itself to lookup tables.

These are activations, QUANTIZE at uint8 ends, and operators with one constant number.
"""

from collections.abc import Callable

import numpy as np

from edge_sr.engine import lut, tables
from edge_sr.engine.combine import combination_of
from edge_sr.engine.nodes import KernelCall, Kind, Node
from edge_sr.engine.operands import (
    image_and_output,
    make_factor,
    quantization_of,
    scale_of,
    zero_point_of,
)
from edge_sr.errors import UserError
from edge_sr.graph import Graph, Operator, Tensor


def table_node(operator: Operator, image: Tensor, output: Tensor, table: np.ndarray) -> Node:
    """An operator as a table of 256 int8."""
    call = KernelCall(Kind.LUT, image.index, output.index, weights=table.tobytes())
    inputs = (image.index,)
    return Node(str(operator), inputs, output.index, (call,), in_place=inputs)


def _sigmoid(graph: Graph, operator: Operator) -> Node:
    image, output = image_and_output(graph, operator)
    fill, scale, zero_point = {
        "LOGISTIC": (lut.logistic, 1 / 256, -128),
        "TANH": (lut.tanh, 1 / 128, 0),
    }[operator.name]
    if (scale_of(output), zero_point_of(output)) != (scale, zero_point):
        raise UserError(
            f"{operator} computes {output} with scale {scale_of(output):g} and zero point "
            f"{zero_point_of(output)}; the engine supports only {scale:g} and {zero_point}"
        )
    if scale_of(image) < 2**-27:
        raise UserError(
            f"{operator} has {image} with a scale below 2^-27, the least that the engine supports"
        )
    return table_node(operator, image, output, fill(scale_of(image), zero_point_of(image)))


def _activation(graph: Graph, operator: Operator) -> Node:
    image, output = image_and_output(graph, operator)
    fill = {"ELU": tables.elu, "HARD_SWISH": tables.hard_swish, "RSQRT": tables.rsqrt}
    table = fill[operator.name](
        scale_of(image), zero_point_of(image), scale_of(output), zero_point_of(output)
    )
    if table is None:
        raise UserError(
            f"{operator} has {image} of scale {scale_of(image):g} and {output} of scale "
            f"{scale_of(output):g}, which are too far apart for TFLM's 16 bits"
        )
    return table_node(operator, image, output, table)


def _absolute(graph: Graph, operator: Operator) -> Node:
    image, output = image_and_output(graph, operator)
    factor = make_factor(operator, scale_of(image) / scale_of(output))
    table = tables.absolute(factor, zero_point_of(image), zero_point_of(output))
    return table_node(operator, image, output, table)


def turn_top_bit(graph: Graph, operator: Operator) -> Node:
    """QUANTIZE from uint8 or to uint8."""
    image, output = image_and_output(graph, operator)
    factor = make_factor(operator, scale_of(image) / scale_of(output))
    return table_node(operator, image, output, tables.rescaled(factor, image, output))


def number_of(tensor: Tensor) -> int | None:
    """The stored value of a tensor that is one constant int8; None of any other."""
    if tensor.data is None or tensor.data.size != 1:
        return None
    return int(tensor.data.ravel()[0])


def of_one_image(graph: Graph, operator: Operator) -> Node | None:
    """ADD, SUB, MUL, MINIMUM or MAXIMUM as a table; None if it combines two images.

    The image is combined with a constant number, or with a function of itself: x * sigmoid(x).

    Raises:
        UserError: the engine does not support the operator.
    """
    left, right = check_operands(graph, operator)
    output = graph.tensors[operator.outputs[0]]
    combination = combination_of(graph, operator)
    for image, other, function in (
        (left, right, combination),
        (right, left, combination.swapped()),
    ):
        number = number_of(other)
        if number is not None:
            values = [function.value(x, number) for x in tables.STORED]
            return table_node(operator, image, output, np.array(values, np.int8))
    lefts, rights = _functions(graph, left), _functions(graph, right)
    for index in lefts.keys() & rights.keys():
        pairs = zip(lefts[index].tolist(), rights[index].tolist(), strict=True)
        values = [combination.value(*pair) for pair in pairs]
        return table_node(operator, graph.tensors[index], output, np.array(values, np.int8))
    return None


def _functions(graph: Graph, tensor: Tensor) -> dict[int, np.ndarray]:
    """The images of which a tensor is a function, each with that function's table.

    These are the image itself, and the one of which an activation computes it.
    """
    if tensor.data is not None:
        return {}
    functions = {tensor.index: np.array(tables.STORED, np.int8)}
    for operator in graph.operators:
        if operator.outputs == (tensor.index,) and _is_activation(graph, operator):
            node = _ACTIVATIONS[operator.name](graph, operator)
            functions[node.inputs[0]] = np.frombuffer(node.calls[0].weights, np.int8)
    return functions


def _is_activation(graph: Graph, operator: Operator) -> bool:
    """Whether the operator is an activation of one int8 image; it may not have been checked yet."""
    if operator.name not in _ACTIVATIONS or len(operator.inputs) != 1 or operator.inputs[0] < 0:
        return False
    image = graph.tensors[operator.inputs[0]]
    return image.data is None and image.dtype == "int8"


def _combine(graph: Graph, operator: Operator) -> Node:
    node = of_one_image(graph, operator)
    if node is None:
        left, right = (graph.tensors[index] for index in operator.inputs)
        raise UserError(
            f"{operator} combines {left} of shape {left.shape} and {right} of shape "
            f"{right.shape}; for frames of any size the engine supports an image and one constant "
            "number, or a function of the same image"
        )
    return node


def check_operands(graph: Graph, operator: Operator) -> tuple[Tensor, Tensor]:
    """The two inputs of an element-wise operator.

    Raises:
        UserError: one of them is not int8 with one scale, or both are constants.
    """
    left, right = (graph.tensors[index] for index in operator.inputs)
    for tensor in (left, right):
        if tensor.dtype != "int8" or len(quantization_of(tensor).scale) != 1:
            raise UserError(f"{operator} has {tensor}, which is not int8 with one scale")
    if left.data is not None and right.data is not None:
        raise UserError(f"{operator} combines two constants, {left} and {right}")
    return left, right


Rule = Callable[[Graph, Operator], Node]

_ACTIVATIONS: dict[str, Rule] = {
    "LOGISTIC": _sigmoid,
    "TANH": _sigmoid,
    "HARD_SWISH": _activation,
    "ELU": _activation,
    "RSQRT": _activation,
    "ABS": _absolute,
}

TABLE_RULES: dict[str, Rule] = {
    **_ACTIVATIONS,
    **dict.fromkeys(("SUB", "MUL", "MINIMUM", "MAXIMUM"), _combine),
}
"""Rules of operators that are tables and nothing else in plans for frames of any size."""
