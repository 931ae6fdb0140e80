"""Computes what a graph computes from shapes alone, and the shapes that follow from it.

Converters write the batch of an open model as SHAPE, STRIDED_SLICE and PACK in front of RESHAPE or
TRANSPOSE_CONV. With a known input shape these are constants.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from edge_sr.errors import UserError
from edge_sr.graph.checks import MAX_ELEMENTS
from edge_sr.graph.model import Graph, Operator
from edge_sr.graph.shapes import Shape, ShapeError, output_shapes

_MAX_VALUES = 64
"""The most numbers of a tensor that is computed here; shapes and axes have fewer."""

_Values = list[np.ndarray]


def fold(graph: Graph) -> Graph:
    """Return the graph with its shape arithmetic computed: tensors with values, fewer operators.

    Shapes of tensors become those that the operators compute from the input's, also where the file
    left them open.

    Raises:
        UserError: an operator cannot work on the shapes that it gets.
    """
    folding = _Folding(graph)
    kept = [operator for operator in graph.operators if not folding.computes(operator)]
    return dataclasses.replace(graph, tensors=tuple(folding.tensors), operators=tuple(kept))


class _Folding:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.tensors = list(graph.tensors)

    def computes(self, operator: Operator) -> bool:
        """Compute the operator's output or its shape; whether the output's values are known."""
        if self._is_arithmetic(operator):
            _, rule = _RULES[operator.name]
            self._store(operator, rule(operator, list(map(self._value, operator.inputs))))
            return True
        if operator.name == "SHAPE" and len(operator.inputs) == len(operator.outputs) == 1:
            self._store(operator, np.array(self.tensors[operator.inputs[0]].shape, np.int32))
            return True
        self._infer(operator)
        return False

    def _is_arithmetic(self, operator: Operator) -> bool:
        """Whether all inputs are known integers, few enough to compute with."""
        count, _ = _RULES.get(operator.name, (-1, None))
        fits = count == 0 < len(operator.inputs) or count == len(operator.inputs)
        return (
            fits
            and len(operator.outputs) == 1
            and all(
                index >= 0
                and (data := self.tensors[index].data) is not None
                and data.dtype in (np.int32, np.int64)
                and data.size <= _MAX_VALUES
                for index in operator.inputs
            )
        )

    def _value(self, index: int) -> np.ndarray:
        data = self.tensors[index].data
        assert data is not None  # `_is_arithmetic` has checked it
        return data.astype(np.int64)

    def _store(self, operator: Operator, values: np.ndarray) -> None:
        (index,) = operator.outputs
        tensor = self.tensors[index]
        if values.size > _MAX_VALUES or tensor.dtype not in ("int32", "int64"):
            raise UserError(f"{operator} computes {tensor} of {tensor.dtype} from shapes")
        data = values.astype(tensor.dtype)
        self.tensors[index] = dataclasses.replace(tensor, data=data, shape=data.shape, open_axes=())

    def _infer(self, operator: Operator) -> None:
        graph = dataclasses.replace(self.graph, tensors=tuple(self.tensors))
        try:
            shapes = output_shapes(graph, operator, [tensor.shape for tensor in self.tensors])
        except ShapeError as error:
            raise UserError(f"the model cannot run: {error}") from None
        for index, shape in zip(operator.outputs, shapes or (), strict=False):
            self._set_shape(operator, index, shape)

    def _set_shape(self, operator: Operator, index: int, shape: Shape) -> None:
        if math.prod(shape) > MAX_ELEMENTS:
            raise UserError(f"{operator} computes {shape}, which is too large")
        tensor = self.tensors[index]
        if shape != tensor.shape:
            self.tensors[index] = dataclasses.replace(tensor, shape=shape)


# --- arithmetic with shapes; inputs are int64


def _strided_slice(operator: Operator, values: _Values) -> np.ndarray:
    data, begin, end, step = values
    options = operator.options
    if data.ndim != 1 or not (begin.shape == end.shape == step.shape == (1,)) or step[0] == 0:
        raise UserError(f"{operator} slices a shape in a way that is not supported")
    if options.get("ellipsis_mask") or options.get("new_axis_mask"):
        raise UserError(f"{operator} slices a shape with an ellipsis or a new axis")
    first = None if options.get("begin_mask") else int(begin[0])
    if options.get("shrink_axis_mask"):
        if first is None or not -len(data) <= first < len(data):
            raise UserError(f"{operator} reads element {first} of a shape of {len(data)}")
        return data[first]
    last = None if options.get("end_mask") else int(end[0])
    return data[first : last : int(step[0])]


def _pack(operator: Operator, values: _Values) -> np.ndarray:
    if any(value.ndim for value in values):
        raise UserError(f"{operator} packs tensors that are not single numbers")
    return np.stack(values)


def _concatenation(operator: Operator, values: _Values) -> np.ndarray:
    if any(value.ndim != 1 for value in values):
        raise UserError(f"{operator} joins tensors that are not lists of numbers")
    return np.concatenate(values)


def _product(operator: Operator, values: _Values) -> np.ndarray:
    return np.array(min(math.prod(values[0].ravel().tolist()), MAX_ELEMENTS))


def _multiply(operator: Operator, values: _Values) -> np.ndarray:
    try:
        return np.minimum(values[0] * values[1], MAX_ELEMENTS)
    except ValueError:
        shapes = [value.shape for value in values]
        raise UserError(f"{operator} cannot multiply the shapes {shapes}") from None


def _gather(operator: Operator, values: _Values) -> np.ndarray:
    data, indices = values
    if data.ndim != 1 or not set(indices.ravel().tolist()) <= set(range(len(data))):
        raise UserError(f"{operator} reads elements of a shape that are not there")
    return data[indices]


_Rule = Callable[[Operator, _Values], np.ndarray]

# Number of inputs (0: any), rule.
_RULES: dict[str, tuple[int, _Rule]] = {
    "STRIDED_SLICE": (4, _strided_slice),
    "PACK": (0, _pack),
    "CONCATENATION": (0, _concatenation),
    "REDUCE_PROD": (2, _product),
    "MUL": (2, _multiply),
    "GATHER": (2, _gather),
}
