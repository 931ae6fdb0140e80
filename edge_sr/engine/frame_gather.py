"""Lowers operators that copy some rows, columns and channels of an image: slices, mirrored borders.

Each output row is a copy of parts of one input row, so that all of them stream.
"""

from collections.abc import Sequence

import numpy as np

from edge_sr.engine.frame_nodes import FrameNode, Rule, SplitRule, axis_of, check_shape
from edge_sr.engine.nodes import KernelCall, Kind
from edge_sr.engine.operands import constant, image_and_output, image_at, scale_of, zero_point_of
from edge_sr.errors import UserError
from edge_sr.graph import Graph, Operator, Tensor

_ALL = slice(None)


def check_same_scale(operator: Operator, image: Tensor, output: Tensor) -> None:
    """Refuse to copy values into a tensor in which they mean something else.

    Raises:
        UserError: scale or zero point differ.
    """
    if (scale_of(image), zero_point_of(image)) != (scale_of(output), zero_point_of(output)):
        raise UserError(f"{operator} copies {image} to {output}, whose scale or zero point differs")


def gather(
    operator: Operator,
    image: Tensor,
    output: Tensor,
    rows: Sequence[int],
    columns: Sequence[int],
    channels: Sequence[int] = (0,),
) -> FrameNode:
    """A copy of input rows, columns and channels, each given for every one of the output.

    Args:
        operator: for messages.
        image: the input.
        output: of the shape that the numbers give.
        rows: of the input.
        columns: of the input.
        channels: of the input, evenly spaced upward; only the first two count.
    """
    check_same_scale(operator, image, output)
    call = KernelCall(
        kind=Kind.GATHER,
        source=image.index,
        target=output.index,
        extra=channels[0],
        weights=np.array([*rows, *columns], "<u2").tobytes(),
        stride=(1, channels[1] - channels[0] if len(channels) > 1 else 1),
    )
    return FrameNode(
        str(operator),
        (image.index,),
        output.index,
        (call,),
        lambda row: range(rows[row], rows[row] + 1),
    )


def _sliced(operator: Operator, image: Tensor, output: Tensor, parts: Sequence[slice]) -> FrameNode:
    """The part of an image in a slice of each axis, the batch included.

    Raises:
        UserError: nothing is left, the output has another shape, or the order is not kept.
    """
    numbers = [range(side)[part] for side, part in zip(image.shape, parts, strict=True)]
    if not all(numbers) or numbers[3].step < 1:
        raise UserError(
            f"{operator} takes {[len(axis) for axis in numbers]} values along the axes of {image}, "
            f"channels with step {numbers[3].step}; the engine needs at least 1 and a step above 0"
        )
    check_shape(operator, output, tuple(map(len, numbers)))
    return gather(operator, image, output, *numbers[1:])


def _numbers(graph: Graph, operator: Operator, position: int, image: Tensor) -> list[int]:
    """The integers of a constant, one per axis of (1, H, W, C)."""
    values = constant(graph, operator, position)
    first = axis_of(image, 0)
    if values.dtype.kind != "i" or values.shape != (4 - first,):
        raise UserError(
            f"{operator} has {graph.tensors[operator.inputs[position]]} of shape {values.shape} "
            f"for {image}; it needs an integer for each axis"
        )
    return [0] * first + [int(value) for value in values]


def _slice(graph: Graph, operator: Operator) -> FrameNode:
    image, output = image_and_output(graph, operator)
    begins, sizes = (_numbers(graph, operator, position, image) for position in (1, 2))
    parts = [_ALL] * axis_of(image, 0)
    for begin, size, side in list(zip(begins, sizes, image.shape, strict=True))[len(parts) :]:
        end = side if size == -1 else begin + size
        if not 0 <= begin < end <= side:
            raise UserError(f"{operator} takes {begin} to {end} of an axis of {image}, of {side}")
        parts.append(slice(begin, end))
    return _sliced(operator, image, output, parts)


def strided_shape(graph: Graph, operator: Operator) -> tuple[int, ...]:
    """The shape of a strided slice with all axes.

    Raises:
        UserError: the operator's numbers are not constant, or not supported.
    """
    image, _ = image_and_output(graph, operator)
    parts = zip(image.shape, _strided_parts(graph, operator, image), strict=True)
    return tuple(len(range(side)[part]) for side, part in parts)


def _strided_slice(graph: Graph, operator: Operator) -> FrameNode:
    image, output = image_and_output(graph, operator)
    return _sliced(operator, image, output, _strided_parts(graph, operator, image))


def _strided_parts(graph: Graph, operator: Operator, image: Tensor) -> list[slice]:
    """A slice of each axis of (1, H, W, C)."""
    masks = ("ellipsis_mask", "new_axis_mask", "offset")
    if any(operator.options[mask] for mask in masks):
        raise UserError(f"{operator} of {image} has an ellipsis, a new axis or an offset as end")
    begins, ends, steps = (_numbers(graph, operator, position, image) for position in (1, 2, 3))
    first = axis_of(image, 0)
    parts = [_ALL] * first
    for axis in range(first, 4):
        bits = {
            key: operator.number(f"{key}_mask") >> (axis - first) & 1
            for key in ("begin", "end", "shrink_axis")
        }
        side, begin, step = image.shape[axis], begins[axis], steps[axis]
        if step == 0 or (bits["shrink_axis"] and (step < 0 or not -side <= begin < side)):
            raise UserError(f"{operator} takes {begin} with step {step} of an axis of {image}")
        start = None if bits["begin"] else begin
        stop = None if bits["end"] else ends[axis]
        if bits["shrink_axis"]:
            start = 0 if bits["begin"] else begin % side
            stop = start + 1
        parts.append(slice(start, stop, step))
    return parts


def _split(graph: Graph, operator: Operator) -> list[FrameNode]:
    """Parts of one axis, one node for each."""
    position, axes = (0, 2) if operator.name == "SPLIT_V" else (1, 0)
    image, values = image_at(graph, operator, position), constant(graph, operator, axes)
    outputs = [graph.tensors[index] for index in operator.outputs]
    if values.size != 1 or values.dtype.kind != "i":
        raise UserError(f"{operator} splits {image} along axes {values.tolist()}, not along one")
    axis = axis_of(image, int(values.ravel()[0]))
    sizes = [output.shape[axis] for output in outputs]
    if sum(sizes) != image.shape[axis]:
        raise UserError(f"{operator} splits {image.shape[axis]} values of {image} into {sizes}")
    nodes, start = [], 0
    for output, size in zip(outputs, sizes, strict=True):
        parts = [_ALL] * 4
        parts[axis] = slice(start, start + size)
        nodes.append(_sliced(operator, image, output, parts))
        start += size
    return nodes


def _mirror_pad(graph: Graph, operator: Operator) -> FrameNode:
    image, output = image_and_output(graph, operator)
    margins = constant(graph, operator, 1)
    border = 1 if operator.options["mode"] == "REFLECT" else 0  # whether the border is repeated
    if margins.shape != (4, 2) or margins[[0, 3]].any() or margins.min() < 0:
        raise UserError(
            f"{operator} pads {image} by {margins.tolist()}; the engine mirrors only rows and "
            "columns of images"
        )
    indices = []
    for side, (before, after) in zip(image.shape[1:3], margins[1:3].tolist(), strict=True):
        if max(before, after) > side - border:
            raise UserError(f"{operator} mirrors {max(before, after)} of {side} pixels of {image}")
        inside = list(range(side))
        left = inside[border : border + before][::-1]
        right = inside[::-1][border : border + after]
        indices.append([*left, *inside, *right])
    check_shape(operator, output, (1, len(indices[0]), len(indices[1]), image.shape[3]))
    return gather(operator, image, output, *indices)


RULES: dict[str, Rule] = {
    "SLICE": _slice,
    "STRIDED_SLICE": _strided_slice,
    "MIRROR_PAD": _mirror_pad,
}

SPLIT_RULES: dict[str, SplitRule] = {"SPLIT": _split, "SPLIT_V": _split}
