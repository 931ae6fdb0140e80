"""Lowers operators that move values, and softmax."""

import math

import numpy as np

from edge_sr.engine import lut
from edge_sr.engine.frame_gather import check_same_scale
from edge_sr.engine.frame_nodes import FrameNode, Rule, axis_of, check_shape
from edge_sr.engine.nodes import KernelCall, Kind
from edge_sr.engine.operands import constant, image_and_output, scale_of, zero_point_of
from edge_sr.errors import UserError
from edge_sr.graph import Graph, Operator, Tensor

_MAX_SOFTMAX = 511  # TFLM aborts where the exponentials sum up to 512


def _softmax(graph: Graph, operator: Operator) -> FrameNode:
    image, output = image_and_output(graph, operator)
    check_shape(operator, output, image.shape)
    if (scale_of(output), zero_point_of(output)) != (1 / 256, -128):
        raise UserError(
            f"{operator} computes {output} with scale {scale_of(output):g} and zero point "
            f"{zero_point_of(output)}; the engine supports only {1 / 256:g} and -128"
        )
    beta = operator.options["beta"]
    assert isinstance(beta, float)
    if beta * scale_of(image) <= 2**-26 or image.shape[3] > _MAX_SOFTMAX:
        raise UserError(
            f"{operator} has {image} of shape {image.shape} and scale {scale_of(image):g}; the "
            f"engine supports {_MAX_SOFTMAX} channels and, times beta, scales above 2^-26"
        )
    table = lut.exponentials(beta * scale_of(image))
    call = KernelCall(Kind.SOFTMAX, image.index, output.index, weights=table.tobytes())
    return FrameNode(
        str(operator), (image.index,), output.index, (call,), lambda row: range(row, row + 1)
    )


def _pad(graph: Graph, operator: Operator) -> FrameNode:
    image, output = image_and_output(graph, operator)
    margins = _margins(graph, operator, image)
    check_same_scale(operator, image, output)
    shape = (size + int(sum(both)) for size, both in zip(image.shape, margins, strict=True))
    check_shape(operator, output, tuple(shape))
    top, height = int(margins[1, 0]), image.shape[1]
    call = KernelCall(
        kind=Kind.PAD,
        source=image.index,
        target=output.index,
        extra=int(margins[3, 0]),
        zero_points=(0, 0, _pad_value(graph, operator, output)),
        padding=(top, int(margins[2, 0])),
    )

    def rows(row: int) -> range:
        return range(row - top, row - top + 1) if 0 <= row - top < height else range(0)

    return FrameNode(str(operator), (image.index,), output.index, (call,), rows)


def _margins(graph: Graph, operator: Operator, image: Tensor) -> np.ndarray:
    """Values before and behind each axis of (1, H, W, C)."""
    margins, first = constant(graph, operator, 1), axis_of(image, 0)
    if margins.shape == (4 - first, 2):
        margins = np.concatenate([np.zeros((first, 2), margins.dtype), margins])
    if margins.shape != (4, 2) or margins[0].any() or margins.min() < 0:
        raise UserError(f"{operator} pads by {margins.tolist()}, which the engine does not support")
    return margins


def _pad_value(graph: Graph, operator: Operator, output: Tensor) -> int:
    if operator.name != "PADV2":
        return zero_point_of(output)
    value, tensor = constant(graph, operator, 2), graph.tensors[operator.inputs[2]]
    if value.dtype != np.int8 or value.size != 1:
        raise UserError(f"{operator} pads with {tensor}, which is not one int8 value")
    check_same_scale(operator, tensor, output)
    return int(value.ravel()[0])


def _reshape(graph: Graph, operator: Operator) -> FrameNode:
    image, output = image_and_output(graph, operator)
    if math.prod(image.shape) != math.prod(output.shape):
        raise UserError(f"{operator} cannot make {output.shape} of {image.shape}")
    check_same_scale(operator, image, output)
    in_values, out_values = (math.prod(tensor.shape[2:]) for tensor in (image, output))

    def rows(row: int) -> range:
        first, last = row * out_values, (row + 1) * out_values - 1
        return range(first // in_values, last // in_values + 1)

    call = KernelCall(Kind.RESHAPE, image.index, output.index)
    return FrameNode(str(operator), (image.index,), output.index, (call,), rows)


def _transpose(graph: Graph, operator: Operator) -> FrameNode:
    image, output = image_and_output(graph, operator)
    given, first = constant(graph, operator, 1).ravel().tolist(), axis_of(image, 0)
    order = [*range(first), *(axis_of(image, axis) for axis in given)]
    if sorted(order) != [0, 1, 2, 3]:
        raise UserError(f"{operator} puts the axes of {image} in the order {given}")
    check_shape(operator, output, tuple(image.shape[axis] for axis in order))
    moved = [axis for axis in order if image.shape[axis] > 1]
    if moved == sorted(moved):
        return _reshape(graph, operator)
    check_same_scale(operator, image, output)
    # The batch may have changed places with another axis of one value.
    place = order.index(0)
    order[place], order[0] = order[0], 0
    call = KernelCall(
        kind=Kind.TRANSPOSE,
        source=image.index,
        target=output.index,
        extra=sum((axis - 1) << 2 * index for index, axis in enumerate(order[1:])),
    )
    keeps_rows, height = order[1] == 1, image.shape[1]
    return FrameNode(
        str(operator),
        (image.index,),
        output.index,
        (call,),
        lambda row: range(row, row + 1) if keeps_rows else range(height),
    )


RULES: dict[str, Rule] = {
    "SOFTMAX": _softmax,
    "PAD": _pad,
    "PADV2": _pad,
    "TRANSPOSE": _transpose,
    **dict.fromkeys(("RESHAPE", "SQUEEZE", "EXPAND_DIMS"), _reshape),
}
