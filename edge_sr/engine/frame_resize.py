"""Lowers operators that enlarge or shrink images: nearest neighbour and bilinear."""

import math

import numpy as np

from edge_sr.engine.frame_gather import check_same_scale, gather
from edge_sr.engine.frame_nodes import FrameNode, Rule, check_shape
from edge_sr.engine.nodes import KernelCall, Kind
from edge_sr.engine.operands import constant, image_and_output
from edge_sr.errors import UserError
from edge_sr.graph import Graph, Operator, Tensor

_ONE = 1024  # fixed point of bilinear positions: 10 bits after the point
_MAX_STEP = 65535


def _images(graph: Graph, operator: Operator) -> tuple[Tensor, Tensor]:
    """Input and output; the output has the size that the operator's constant says.

    Raises:
        UserError: the size, the scales or the options do not fit.
    """
    image, output = image_and_output(graph, operator)
    size = constant(graph, operator, 1)
    if size.size != 2 or size.dtype != np.int32:
        raise UserError(f"{operator} resizes to {size.tolist()}, which is not a height and a width")
    height, width = map(int, size.ravel())
    check_shape(operator, output, (1, height, width, image.shape[3]))
    check_same_scale(operator, image, output)
    return image, output


def _nearest(graph: Graph, operator: Operator) -> FrameNode:
    image, output = _images(graph, operator)
    rows, columns = (
        [
            _nearest_index(
                index,
                image.shape[axis],
                output.shape[axis],
                align=bool(operator.options["align_corners"]),
                half=bool(operator.options["half_pixel_centers"]),
            )
            for index in range(output.shape[axis])
        ]
        for axis in (1, 2)
    )
    return gather(operator, image, output, rows, columns)


def _nearest_index(index: int, side: int, out_side: int, *, align: bool, half: bool) -> int:
    """The input row of an output row, or column; TFLM computes it in single precision."""
    sides = (side - 1, out_side - 1) if align and out_side > 1 else (side, out_side)
    scale = np.float32(sides[0]) / np.float32(sides[1])
    position = float((np.float32(index) + np.float32(0.5 if half else 0)) * scale)
    nearest = math.floor(position + 0.5) if align else math.floor(position)
    return min(nearest, side - 1)


def _bilinear(graph: Graph, operator: Operator) -> FrameNode:
    image, output = _images(graph, operator)
    align, half = (bool(operator.options[key]) for key in ("align_corners", "half_pixel_centers"))
    if align and half:
        raise UserError(
            f"{operator} has both align_corners and half_pixel_centers, which TFLM refuses"
        )
    sides = list(zip(image.shape[1:3], output.shape[1:3], strict=True))
    steps = [_step(side, out_side, align) for side, out_side in sides]
    for (side, out_side), step in zip(sides, steps, strict=True):
        last = _position(out_side - 1, step, half)
        if step > _MAX_STEP or last // _ONE >= side:
            raise UserError(
                f"{operator} resizes {image} of shape {image.shape} to {output.shape}, which the "
                "engine does not support"
            )
    call = KernelCall(
        kind=Kind.BILINEAR,
        source=image.index,
        target=output.index,
        extra=int(half),
        stride=(steps[0], steps[1]),
    )

    def rows(row: int) -> range:
        position = _position(row, steps[0], half)
        last = min(-(-position // _ONE), image.shape[1] - 1)
        return range(max(0, position // _ONE), max(0, last) + 1)

    return FrameNode(str(operator), (image.index,), output.index, (call,), rows)


def _step(side: int, out_side: int, align: bool) -> int:
    """Input pixels from one output pixel to the next, in fixed point."""
    if align and out_side > 1:
        side, out_side = side - 1, out_side - 1
    return (_ONE * side + out_side // 2) // out_side


def _position(index: int, step: int, half: bool) -> int:
    """Where an output row or column lies in the input, in fixed point."""
    return index * step + (step // 2 - _ONE // 2 if half else 0)


RULES: dict[str, Rule] = {"RESIZE_NEAREST_NEIGHBOR": _nearest, "RESIZE_BILINEAR": _bilinear}
