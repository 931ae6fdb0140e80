"""Lowers operators on two inputs, value by value, of which one may be smaller or constant."""

from collections.abc import Sequence

import numpy as np

from edge_sr.engine import lower
from edge_sr.engine.combine import Combination, combination_of
from edge_sr.engine.frame_nodes import FrameNode, Rule, check_shape
from edge_sr.engine.lower_tables import of_one_image
from edge_sr.engine.nodes import KernelCall, Kind, Node
from edge_sr.engine.operands import pack_factors
from edge_sr.errors import UserError
from edge_sr.graph import Graph, Operator, Tensor


def _combine(graph: Graph, operator: Operator) -> FrameNode:
    node = of_one_image(graph, operator)
    left, right = (graph.tensors[index] for index in operator.inputs)
    output = graph.tensors[operator.outputs[0]]
    if node is not None:
        check_shape(operator, output, graph.tensors[node.inputs[0]].shape)
        return _as_frame_node(node)
    if operator.name == "ADD" and left.shape == right.shape and left.data is right.data is None:
        check_shape(operator, output, left.shape)
        return _as_frame_node(lower.RULES["ADD"](graph, operator))
    combination = combination_of(graph, operator)
    if left.data is not None or left.shape != output.shape:
        left, right, combination = right, left, combination.swapped()
    sides = _sides(right)
    if left.data is not None or left.shape != output.shape or not _spreads(sides, output.shape):
        raise UserError(
            f"{operator} combines {left} of shape {left.shape} and {right} of shape "
            f"{right.shape} to {output.shape}; one of them must have the shape of the output"
        )
    return _node(operator, left, right, output, combination)


def _as_frame_node(node: Node) -> FrameNode:
    return FrameNode(
        node.label, node.inputs, node.output, node.calls, _same_row, in_place=node.in_place
    )


def _same_row(row: int) -> range:
    return range(row, row + 1)


def _sides(tensor: Tensor) -> tuple[int, ...]:
    """The shape of an image or a constant, with 1 for axes that a constant lacks."""
    return (1,) * (4 - len(tensor.shape)) + tensor.shape


def _spreads(sides: Sequence[int], shape: Sequence[int]) -> bool:
    """Whether each side is that of the shape, or 1."""
    return len(sides) == len(shape) and all(
        side in (1, size) for side, size in zip(sides, shape, strict=True)
    )


def _node(
    operator: Operator, left: Tensor, right: Tensor, output: Tensor, combination: Combination
) -> FrameNode:
    """The node of a left input of the output's shape and any right one."""
    _, height, width, channels = _sides(right)
    values = b"" if right.data is None else right.data.astype(np.int8).tobytes()
    call = KernelCall(
        kind=Kind.BINARY,
        source=left.index,
        other=right.index if right.data is None else None,
        target=output.index,
        kernel=(height, width),
        groups=channels,
        extra=combination.function,
        weights=values,
        scales=pack_factors(combination.factors),
        low=combination.low,
        high=combination.high,
        zero_points=combination.zero_points,
    )
    inputs = tuple(each.index for each in (left, right) if each.data is None)
    full = tuple(each.index for each in (left, right) if each.shape == output.shape)
    spread = (right.index,) if right.data is None and height < output.shape[1] else ()
    return FrameNode(
        str(operator),
        inputs,
        output.index,
        (call,),
        _same_row,
        in_place=tuple(index for index in inputs if index in full),
        spread=spread,
    )


RULES: dict[str, Rule] = dict.fromkeys(("ADD", "SUB", "MUL", "MINIMUM", "MAXIMUM"), _combine)
