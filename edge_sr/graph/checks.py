"""Checks that the parts of a graph agree: indices, order, shapes and scales.

The C++ runtimes that load the same file do not check all of this, and crash or read outside of it.
"""

import dataclasses
import math
from collections.abc import Sequence

from edge_sr.graph.model import Graph, Tensor
from edge_sr.graph.shapes import Shape, ShapeError, output_shapes

MAX_ELEMENTS = 2**31 - 1
MAX_MULTIPLIER = 2.0**16

OPEN_SIDE = 64
"""The height or width that stands for an open one, where the file's placeholder does not work."""


class DamageError(Exception):
    """The file is damaged; the text says where."""


def check_graph(graph: Graph) -> Graph:
    """Check a graph whose tensors and operators were read, but not compared with each other.

    Returns:
        The graph, with the shapes of open tensors as they follow from the input's.

    Raises:
        DamageError: an index, a declared shape or a scale is impossible.
        ShapeError: an operator cannot work on its inputs.
    """
    _check_wiring(graph)
    _check_scales(graph)
    return _with_shapes(graph)


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


def _with_shapes(graph: Graph) -> Graph:
    """Check declared shapes against those computed, and replace those that the file leaves open.

    Converters write 1 for an open size. Where that does not fit, `OPEN_SIDE` stands for it.
    """
    declared = [tensor.shape for tensor in graph.tensors]
    is_open = any(graph.tensors[index].open_axes for index in graph.inputs)
    try:
        shapes = _computed_shapes(graph, declared)
        fits = shapes == declared
    except ShapeError:
        if not is_open:
            raise
        fits = False
    if is_open and not fits:
        for index in graph.inputs:
            declared[index] = _placeholder(graph.tensors[index])
        shapes = _computed_shapes(graph, declared)
    if shapes == [tensor.shape for tensor in graph.tensors]:
        return graph
    tensors = (
        dataclasses.replace(tensor, shape=shape)
        for tensor, shape in zip(graph.tensors, shapes, strict=True)
    )
    return dataclasses.replace(graph, tensors=tuple(tensors))


def _placeholder(tensor: Tensor) -> Shape:
    """The input's shape, with `OPEN_SIDE` for an open height or width of 1."""
    if len(tensor.shape) != 4:
        return tensor.shape
    return tuple(
        OPEN_SIDE if axis in (1, 2) and axis in tensor.open_axes and size == 1 else size
        for axis, size in enumerate(tensor.shape)
    )


def _computed_shapes(graph: Graph, declared: Sequence[Shape]) -> list[Shape]:
    """Return all shapes; only those that the file leaves open may differ from the declared ones.

    Outputs of unknown operators keep their declared shapes. Where such a shape is open, it is
    not known, and nothing that depends on it is checked.
    """
    shapes, unknown = list(declared), set[int]()
    for operator in graph.operators:
        depends = not unknown.isdisjoint(operator.inputs)
        computed = None if depends else output_shapes(graph, operator, shapes)
        if computed is None:
            unknown.update(index for index in operator.outputs if graph.tensors[index].open_axes)
            continue
        if any(
            not _agree(shape, graph.tensors[index])
            for index, shape in zip(operator.outputs, computed, strict=True)
        ):
            written = [graph.tensors[index].shape for index in operator.outputs]
            raise DamageError(f"{operator} computes {computed} where the file declares {written}")
        for index, shape in zip(operator.outputs, computed, strict=True):
            if math.prod(shape) > MAX_ELEMENTS:
                raise DamageError(f"{operator} computes {shape}, which is too large")
            shapes[index] = shape
    return shapes


def _agree(computed: Shape, tensor: Tensor) -> bool:
    """Whether a computed shape is the declared one but for the open axes."""
    return len(computed) == len(tensor.shape) and all(
        ours == theirs or axis in tensor.open_axes
        for axis, (ours, theirs) in enumerate(zip(computed, tensor.shape, strict=True))
    )


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
