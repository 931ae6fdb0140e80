"""Keeps axes that an operator drops, and drops them with a RESHAPE, for `frame_lower.py`.

A mean over columns of (1, H, W, C) is (1, H, 1, C) row by row; the file declares (1, H, C), which
is an image of one row.
"""

import dataclasses
import math
from collections.abc import Callable

from edge_sr.engine.frame_gather import strided_shape
from edge_sr.engine.frame_nodes import Image
from edge_sr.engine.frame_windows import mean_shape
from edge_sr.errors import UserError
from edge_sr.graph import Graph, Operator

_SHAPES: dict[str, Callable[[Graph, Operator], tuple[int, ...]]] = {
    "MEAN": mean_shape,
    "STRIDED_SLICE": strided_shape,
}


def keep_axes(graph: Graph) -> Graph:
    """The graph of images with a RESHAPE after each operator that drops an axis which counts."""
    tensors, operators = list(graph.tensors), list[Operator]()
    for operator in graph.operators:
        shape = _shape(graph, operator)
        if shape is None:
            operators.append(operator)
            continue
        output = graph.tensors[operator.outputs[0]]
        name = f"{output.name} of all axes"
        changed = {"index": len(tensors), "name": name, "shape": shape, "rank": 4}
        kept = Image(**{**vars(output), **changed})
        tensors.append(kept)
        operators.append(dataclasses.replace(operator, outputs=(kept.index,)))
        operators.append(Operator(operator.index, "RESHAPE", 1, (kept.index,), (output.index,), {}))
    return dataclasses.replace(graph, tensors=tuple(tensors), operators=tuple(operators))


def _shape(graph: Graph, operator: Operator) -> tuple[int, ...] | None:
    """The output's shape with all axes; None if it is the declared one or cannot be reshaped."""
    rule = _SHAPES.get(operator.name)
    if rule is None or len(operator.outputs) != 1:
        return None
    try:
        shape = rule(graph, operator)
    except (UserError, KeyError, IndexError):  # the operator's own rule says what is wrong
        return None
    declared = graph.tensors[operator.outputs[0]].shape
    if shape == declared or math.prod(shape) != math.prod(declared):
        return None
    return shape
