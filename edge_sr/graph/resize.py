"""Changes the image size of a fully convolutional .tflite by editing the shapes in its bytes."""

import math
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edge_sr.errors import UserError
from edge_sr.graph.analysis import step
from edge_sr.graph.checks import MAX_ELEMENTS
from edge_sr.graph.model import Graph
from edge_sr.graph.reader import read_graph
from edge_sr.graph.shapes import Shape, ShapeError, output_shapes

MAX_SIDE = 65536


def resize(model: bytes, height: int, width: int) -> bytes:
    """Return the same network for images of `height` x `width` pixels; only shapes change.

    Args:
        model: a .tflite with one input of shape (1, H, W, C).
        height: new H, 1 to 65536.
        width: new W, 1 to 65536.

    Raises:
        UserError: the model is damaged or not fully convolutional, or the size is out of range.
    """
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise UserError(f"{width}x{height} is not an image size; sides are 1 to {MAX_SIDE}")
    graph = read_graph(model)
    edited = bytearray(model)
    subgraph = schema.Model.GetRootAs(model, 0).Subgraphs(0)
    shapes = shapes_at(graph, height, width)
    used = [tensor.index for tensor in graph.used()]
    for index in used:
        if shapes[index] != _stored_shape(subgraph.Tensors(index)):
            _write_shape(edited, subgraph.Tensors(index), shapes[index])
    result = bytes(edited)
    # Two tensors may share one shape in the file.
    subgraph = schema.Model.GetRootAs(result, 0).Subgraphs(0)
    if any(shapes[index] != _stored_shape(subgraph.Tensors(index)) for index in used):
        raise UserError("the model cannot be resized: two of its tensors share a shape in the file")
    read_graph(result)
    return result


def grows(graph: Graph) -> bool:
    """Return whether the network runs on larger images, and its output grows with them."""
    if len(graph.input.shape) != 4 or len(graph.output.shape) != 4:
        return False
    multiple, output = step(graph), graph.output.index
    height, width = (-(-side // multiple) * multiple for side in graph.input.shape[1:3])
    try:
        small = shapes_at(graph, height, width)[output]
        large = shapes_at(graph, 2 * height, 2 * width)[output]
    except UserError:
        return False
    return large[1] > small[1] and large[2] > small[2]


def shapes_at(graph: Graph, height: int, width: int) -> list[Shape]:
    """Return the shape of every tensor for an input image of this size.

    Raises:
        UserError: the graph is not fully convolutional, or a tensor would be too large.
    """
    if len(graph.inputs) != 1 or len(graph.input.shape) != 4 or graph.input.shape[0] != 1:
        raise UserError("only a model with one image of shape (1, H, W, C) as input can be resized")
    shapes = [tensor.shape for tensor in graph.tensors]
    shapes[graph.input.index] = (1, height, width, graph.input.shape[3])
    for operator in graph.operators:
        try:
            computed = output_shapes(graph, operator, shapes)
        except ShapeError as error:
            raise UserError(f"the model cannot run at {height}x{width}: {error}") from None
        if computed is None:
            raise UserError(f"{operator} is not known to work at another image size")
        for index, shape in zip(operator.outputs, computed, strict=True):
            if math.prod(shape) > MAX_ELEMENTS:
                raise UserError(f"{operator} would be {shape} at {height}x{width}: too large")
            shapes[index] = shape
    return shapes


def _stored_shape(tensor: Any) -> Shape:
    return tuple(tensor.Shape(axis) for axis in range(tensor.ShapeLength()))


def _write_shape(model: bytearray, tensor: Any, shape: Shape) -> None:
    """Write the shape over the tensor's own; a signature keeps its -1 for an open size."""
    stored = np.frombuffer(model, "<i4", len(shape), tensor._tab.Vector(tensor._tab.Offset(4)))
    stored[:] = shape
    if tensor.ShapeSignatureLength() == len(shape):
        offset = tensor._tab.Vector(tensor._tab.Offset(18))
        signature = np.frombuffer(model, "<i4", len(shape), offset)
        signature[:] = np.where(signature == -1, -1, shape)
