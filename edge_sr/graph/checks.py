"""Checks that the parts of a graph agree: indices, order, shapes and scales.

The C++ runtimes that load the same file do not check all of this, and crash or read outside of it.
"""

import math

from edge_sr.graph.model import Graph
from edge_sr.graph.shapes import output_shapes

MAX_MULTIPLIER = 2.0**16


class DamageError(Exception):
    """The file is damaged; the text says where."""


def check_graph(graph: Graph) -> None:
    """Check a graph whose tensors and operators were read, but not compared with each other.

    Raises:
        DamageError: an index, a declared shape or a scale is impossible.
        ShapeError: an operator cannot work on its inputs.
    """
    _check_wiring(graph)
    _check_shapes(graph)
    _check_scales(graph)


def _check_wiring(graph: Graph) -> None:
    """Check that every index exists and every value is computed once, before it is read."""
    count = len(graph.tensors)
    if not graph.inputs or not graph.outputs or not graph.operators:
        raise DamageError("it has no input, no output or no operator")
    ready = {tensor.index for tensor in graph.constants()}
    for index in graph.inputs:
        if not 0 <= index < count or index in ready:
            raise DamageError(f"its input {index} is not a tensor that can be set")
        ready.add(index)
    for operator in graph.operators:
        if any(index != -1 and index not in ready for index in operator.inputs):
            raise DamageError(f"{operator} reads a tensor before it is computed")
        for index in operator.outputs:
            if not 0 <= index < count or index in ready:
                raise DamageError(
                    f"{operator} writes tensor {index}, which is missing or already has a value"
                )
            ready.add(index)
    if any(index not in ready for index in graph.outputs):
        raise DamageError("nothing computes its output")


def _check_shapes(graph: Graph) -> None:
    """Check declared shapes against those computed; those of unknown operators are accepted."""
    shapes = [tensor.shape for tensor in graph.tensors]
    for operator in graph.operators:
        computed = output_shapes(graph, operator, shapes)
        declared = [graph.tensors[index].shape for index in operator.outputs]
        if computed is not None and computed != declared:
            raise DamageError(f"{operator} computes {computed} where the file declares {declared}")


def _check_scales(graph: Graph) -> None:
    """Check that no operator rescales by more than 2^16; runtimes abort on such files."""
    for operator in graph.operators:
        inputs = [_largest_scale(graph, index) for index in operator.inputs]
        factors = [*inputs, math.prod(inputs[:2])]
        for index in operator.outputs:
            quantization = graph.tensors[index].quantization
            if quantization and max(factors) > MAX_MULTIPLIER * min(quantization.scale):
                raise DamageError(f"{operator} has scales that are too far apart")


def _largest_scale(graph: Graph, index: int) -> float:
    quantization = graph.tensors[index].quantization if index >= 0 else None
    return max(quantization.scale) if quantization else 0.0
