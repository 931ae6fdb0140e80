"""Lowers transposed convolutions, which enlarge images, to convolutions of the input's rows.

With a stride of s, every s-th tap of the kernel meets the same output row. So an output row is a
convolution with every s-th row of the kernel, and the s pixels that lie between two input pixels
are output channels of that convolution, side by side: in memory they are a row of pixels already.
The rows of the output take turns: there is one call for each of the s sets of kernel rows.
"""

import math
from dataclasses import dataclass

import numpy as np

from edge_sr.engine import lower
from edge_sr.engine.frame_nodes import MAX_WINDOW, FrameNode, Rule
from edge_sr.engine.nodes import KernelCall, Kind
from edge_sr.engine.operands import activation_range, constant, image_at, zero_point_of
from edge_sr.errors import UserError
from edge_sr.graph import Graph, Operator, Tensor


@dataclass(frozen=True)
class _Axis:
    """Rows or columns: sizes of input, output and kernel, and what lies before output 0.

    Attributes:
        side: of the input.
        out_side: of the output.
        taps: of the kernel.
        stride: outputs per input.
        before: outputs that are cut off in front.
    """

    side: int
    out_side: int
    taps: int
    stride: int
    before: int

    @property
    def reach(self) -> int:
        """Inputs that an output reads, at most."""
        return -(-self.taps // self.stride)

    def source(self, index: int) -> int:
        """The last input that an output reads."""
        return (index + self.before) // self.stride

    @property
    def padding(self) -> tuple[int, int]:
        """Inputs before the first and behind the last one that outputs read."""
        before = self.reach - 1 - self.source(0)
        return max(0, before), max(0, self.source(self.out_side - 1) + 1 - self.side)


def _axes(
    operator: Operator, image: Tensor, output: Tensor, kernel: tuple[int, int]
) -> list[_Axis]:
    """Rows and columns, with the padding that TFLM computes.

    Raises:
        UserError: a number is out of range, or the output has another size than padding gives.
    """
    stride = (operator.number("stride_h"), operator.number("stride_w"))
    if min(stride) < 1 or max(*stride, *kernel) > MAX_WINDOW:
        raise UserError(
            f"{operator} has a kernel of {kernel} with stride {stride}; the engine supports 1 to "
            f"{MAX_WINDOW}"
        )
    same, axes = operator.options["padding"] == "SAME", []
    numbers = zip(image.shape[1:3], output.shape[1:3], kernel, stride, strict=True)
    for side, out_side, taps, step in numbers:
        if side != -(-(out_side if same else out_side - taps + 1) // step):
            raise UserError(
                f"{operator} makes {output} of shape {output.shape} of {image} of shape "
                f"{image.shape}, which stride {stride} and padding {operator.options['padding']} "
                "do not give"
            )
        before = max(0, (side - 1) * step + taps - out_side) // 2
        axes.append(_Axis(side, out_side, taps, step, before))
    return axes


def _transpose_conv(graph: Graph, operator: Operator) -> FrameNode:
    image, output = image_at(graph, operator, 2), graph.tensors[operator.outputs[0]]
    weights = _read_weights(graph, operator, image, output)
    rows, columns = _axes(operator, image, output, (weights.shape[1], weights.shape[2]))
    scales = lower.channel_scales(graph, operator, image, output, len(weights))
    bias = _read_bias(graph, operator, len(weights))
    low, high = activation_range(operator, output)
    calls = []
    for window in _windows(weights, rows, columns):
        sums = window.astype(np.int64).sum(axis=(1, 2, 3))
        folded = np.tile(bias, columns.stride) - zero_point_of(image) * sums
        calls.append(
            KernelCall(
                kind=Kind.ANY_CONV,
                source=image.index,
                target=output.index,
                kernel=(window.shape[1], window.shape[2]),
                window=window,
                bias=folded.astype("<i4").tobytes(),
                scales=scales * columns.stride,
                low=low,
                high=high,
                zero_points=(zero_point_of(image), 0, zero_point_of(output)),
                padding=(rows.before, columns.before),
                up=(rows.stride, columns.stride),
            )
        )
    return FrameNode(
        str(operator),
        (image.index,),
        output.index,
        tuple(calls),
        lambda row: range(rows.source(row) - rows.reach + 1, rows.source(row) + 1),
        columns.padding,
        turn=rows.before,
    )


def _windows(weights: np.ndarray, rows: _Axis, columns: _Axis) -> list[np.ndarray]:
    """The kernel of each call, (columns' stride * outputs, height, width, inputs).

    Taps that the kernel of the file does not have are 0. An input pixel's first tap is the last one
    of the window, so that both axes are reversed.
    """
    outputs, height, width, inputs = weights.shape
    padded = np.zeros(
        (outputs, rows.reach * rows.stride, columns.reach * columns.stride, inputs), np.int8
    )
    padded[:, :height, :width] = weights
    phases = padded.reshape(outputs, rows.reach, rows.stride, columns.reach, columns.stride, inputs)
    windows = []
    for phase in range(rows.stride):
        reach = max(1, -(-(height - phase) // rows.stride))
        part = phases[:, :reach, phase][:, ::-1, ::-1]  # outputs, rows, columns, stride, inputs
        window = part.transpose(3, 0, 1, 2, 4).reshape(-1, reach, columns.reach, inputs)
        windows.append(np.ascontiguousarray(window))
    return windows


def _read_weights(graph: Graph, operator: Operator, image: Tensor, output: Tensor) -> np.ndarray:
    """(outputs, height, width, inputs) int8."""
    weights, tensor = constant(graph, operator, 1), graph.tensors[operator.inputs[1]]
    if weights.dtype != np.int8 or weights.ndim != 4 or weights.shape[3] != image.shape[3]:
        raise UserError(
            f"{operator} has {tensor} of shape {tensor.shape} for {image} of shape {image.shape}"
        )
    if output.shape[3] != len(weights):
        raise UserError(
            f"{operator} declares {output} of shape {output.shape}, but computes {len(weights)} "
            "channels"
        )
    lower.check_zero_points(operator, tensor)
    return weights


def _read_bias(graph: Graph, operator: Operator, outputs: int) -> np.ndarray:
    """(outputs,) int64."""
    if len(operator.inputs) < 4 or operator.inputs[3] == -1:
        return np.zeros(outputs, np.int64)
    bias = constant(graph, operator, 3)
    if bias.dtype != np.int32 or bias.size != outputs:
        raise UserError(
            f"{operator} has a bias of {bias.size} {bias.dtype}; it needs {outputs} int32"
        )
    return bias.ravel().astype(np.int64)


def macs_of(image: tuple[int, ...], calls: tuple[KernelCall, ...]) -> int:
    """Multiply-accumulates of a frame: each input pixel meets each tap once.

    Args:
        image: shape of the input.
        calls: of the node.
    """
    taps = sum(call.window.size for call in calls if call.window is not None)
    return math.prod(image[1:3]) * taps


RULES: dict[str, Rule] = {"TRANSPOSE_CONV": _transpose_conv}
