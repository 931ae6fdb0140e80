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
    # TFLM divides the scales in single precision.
    real = float(np.float32(scale_of(image)) / np.float32(scale_of(output)))
    table = tables.absolute(
        make_factor(operator, real), zero_point_of(image), zero_point_of(output)
    )
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


def with_number(graph: Graph, operator: Operator) -> Node:
    """ADD, SUB, MUL, MINIMUM or MAXIMUM of an image and one constant number.

    Raises:
        UserError: neither input is such a number, or the operator is not supported.
    """
    left, right = check_operands(graph, operator)
    output = graph.tensors[operator.outputs[0]]
    combination = combination_of(graph, operator)
    image, number = left, number_of(right)
    if number is None:
        image, number = right, number_of(left)
        combination = combination.swapped()
    if number is None or image.data is not None:
        raise UserError(
            f"{operator} combines {left} of shape {left.shape} and {right} of shape "
            f"{right.shape}; the engine supports one constant number"
        )
    values = [combination.value(x, number) for x in tables.STORED]
    return table_node(operator, image, output, np.array(values, np.int8))


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


TABLE_RULES: dict[str, Callable[[Graph, Operator], Node]] = {
    "LOGISTIC": _sigmoid,
    "TANH": _sigmoid,
    "HARD_SWISH": _activation,
    "ELU": _activation,
    "RSQRT": _activation,
    "ABS": _absolute,
    "SUB": with_number,
    "MUL": with_number,
    "MINIMUM": with_number,
    "MAXIMUM": with_number,
}
"""Rules of operators that are tables and nothing else in plans for frames of any size."""
