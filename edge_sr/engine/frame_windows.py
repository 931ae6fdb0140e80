"""Lowers operators that read windows of a frame: convolutions, dense layers, pooling, means."""

import math
from dataclasses import dataclass

import numpy as np

from edge_sr.engine import lower
from edge_sr.engine.frame_nodes import MAX_WINDOW, FrameNode, Rule, axis_of, check_shape
from edge_sr.engine.frame_patterns import ExplicitPadding
from edge_sr.engine.nodes import KernelCall, Kind
from edge_sr.engine.operands import (
    activation_range,
    constant,
    image_and_output,
    make_factor,
    pack_factors,
    scale_of,
    zero_point_of,
)
from edge_sr.engine.rounding import Factor
from edge_sr.errors import UserError
from edge_sr.graph import Graph, Operator, Tensor

_MAX_PIXELS = 2**23  # whose sum fits in 32 bits


@dataclass(frozen=True)
class _Windows:
    """The windows of a convolution or a pooling in a frame, vertical then horizontal."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int]
    size: tuple[int, int]

    def rows(self, row: int) -> range:
        first = row * self.stride[0] - self.padding[0]
        return range(first, first + (self.kernel[0] - 1) * self.dilation[0] + 1)

    def right(self, width: int) -> int:
        """Columns of padding right of a frame that the last window reads."""
        last = (self.size[1] - 1) * self.stride[1] + (self.kernel[1] - 1) * self.dilation[1]
        return max(0, last - self.padding[1] + 1 - width)


def _windows(
    operator: Operator, image: Tensor, kernel: tuple[int, int], dilation: tuple[int, int]
) -> _Windows:
    """The windows over an image, with the padding that TFLM computes.

    Raises:
        UserError: a number is out of range, or no window fits.
    """
    stride = (operator.number("stride_h"), operator.number("stride_w"))
    numbers = (*kernel, *stride, *dilation)
    if min(numbers) < 1 or max(numbers) > MAX_WINDOW:
        raise UserError(
            f"{operator} has a kernel of {kernel} with stride {stride} and dilation {dilation}; "
            f"the engine supports 1 to {MAX_WINDOW}"
        )
    explicit = operator.options.get("explicit")
    if isinstance(explicit, ExplicitPadding):
        return _Windows(kernel, stride, dilation, explicit.before, explicit.size)
    sizes, before = [], []
    for side, taps, step, apart in zip(image.shape[1:3], kernel, stride, dilation, strict=True):
        reach = (taps - 1) * apart + 1
        same = operator.options["padding"] == "SAME"
        size = -(-side // step) if same else -(-(side - reach + 1) // step)
        if size < 1:
            raise UserError(f"{operator} has a window of {reach} pixels over {image}, of {side}")
        sizes.append(size)
        before.append(max(0, (size - 1) * step + reach - side) // 2)
    return _Windows(kernel, stride, dilation, (before[0], before[1]), (sizes[0], sizes[1]))


# --- convolutions


def _convolution(graph: Graph, operator: Operator) -> FrameNode:
    depthwise = operator.name == "DEPTHWISE_CONV_2D"
    image, output = image_and_output(graph, operator)
    weights = lower.read_weights(graph, operator, depthwise)
    outputs, height, width, per_group = weights.shape
    dilation = (operator.number("dilation_h_factor"), operator.number("dilation_w_factor"))
    windows = _windows(operator, image, (height, width), dilation)
    check_shape(operator, output, (1, *windows.size, outputs))
    groups = image.shape[3] // per_group
    low, high = activation_range(operator, output)
    call = KernelCall(
        kind=Kind.ANY_DEPTHWISE if per_group == 1 and groups > 1 else Kind.ANY_CONV,
        source=image.index,
        target=output.index,
        kernel=(height, width),
        groups=groups,
        window=weights,
        bias=lower.fold_bias(graph, operator, weights, zero_point_of(image)),
        scales=lower.channel_scales(graph, operator, image, output, outputs),
        low=low,
        high=high,
        zero_points=(zero_point_of(image), 0, zero_point_of(output)),
        stride=windows.stride,
        dilation=dilation,
        padding=windows.padding,
    )
    columns = (windows.padding[1], windows.right(image.shape[2]))
    return FrameNode(str(operator), (image.index,), output.index, (call,), windows.rows, columns)


def _fully_connected(graph: Graph, operator: Operator) -> FrameNode:
    """A dense layer is a convolution whose kernel covers the frame, or one pixel of a map."""
    image, output = image_and_output(graph, operator)
    weights, tensor = constant(graph, operator, 1), graph.tensors[operator.inputs[1]]
    _, height, width, channels = image.shape
    if operator.options["weights_format"] or weights.ndim != 2 or weights.dtype != np.int8:
        raise UserError(f"{operator} has {tensor} in a format that the engine does not support")
    outputs, inputs = weights.shape
    kernel = (1, 1) if inputs == channels else (height, width)
    if inputs != math.prod(kernel) * channels:
        raise UserError(
            f"{operator} has {tensor} of shape {tensor.shape} for {image} of shape {image.shape}"
        )
    size = (height - kernel[0] + 1, width - kernel[1] + 1)
    check_shape(operator, output, (1, *size, outputs))
    if max(kernel) > MAX_WINDOW:
        raise UserError(
            f"{operator} reads {image} of shape {image.shape}; the engine supports sides up to "
            f"{MAX_WINDOW}"
        )
    window = weights.reshape(outputs, *kernel, channels)
    lower.check_zero_points(operator, tensor)
    _check_bias(graph, operator, outputs)
    low, high = activation_range(operator, output)
    call = KernelCall(
        kind=Kind.ANY_CONV,
        source=image.index,
        target=output.index,
        kernel=kernel,
        window=window,
        bias=lower.fold_bias(graph, operator, window, zero_point_of(image)),
        scales=lower.channel_scales(graph, operator, image, output, outputs),
        low=low,
        high=high,
        zero_points=(zero_point_of(image), 0, zero_point_of(output)),
    )
    return FrameNode(
        str(operator),
        (image.index,),
        output.index,
        (call,),
        lambda row: range(row, row + kernel[0]),
    )


def _check_bias(graph: Graph, operator: Operator, outputs: int) -> None:
    if len(operator.inputs) > 2 and operator.inputs[2] != -1:
        bias = constant(graph, operator, 2)
        if bias.dtype != np.int32 or bias.size != outputs:
            raise UserError(
                f"{operator} has a bias of {bias.size} {bias.dtype}; it needs {outputs} int32"
            )


# --- pooling


def _pool(graph: Graph, operator: Operator) -> FrameNode:
    image, output = image_and_output(graph, operator)
    kernel = (operator.number("filter_height"), operator.number("filter_width"))
    windows = _windows(operator, image, kernel, (1, 1))
    check_shape(operator, output, (1, *windows.size, image.shape[3]))
    if math.prod(kernel) > _MAX_PIXELS:
        raise UserError(f"{operator} pools {kernel} pixels; the engine supports {_MAX_PIXELS}")
    height = image.shape[1]
    low, high = activation_range(operator, output)
    call = KernelCall(
        kind=Kind.MAX_POOL if operator.name == "MAX_POOL_2D" else Kind.AVERAGE_POOL,
        source=image.index,
        target=output.index,
        kernel=kernel,
        low=low,
        high=high,
        stride=windows.stride,
        padding=windows.padding,
    )

    def rows(row: int) -> range:
        window = windows.rows(row)
        return range(max(0, window.start), min(height, window.stop))

    return FrameNode(str(operator), (image.index,), output.index, (call,), rows)


def mean_shape(graph: Graph, operator: Operator) -> tuple[int, ...]:
    """The shape of a mean with all axes.

    Raises:
        UserError: the operator's axes are not constant, or not those of its input.
    """
    image, _ = image_and_output(graph, operator)
    axes = {axis_of(image, int(axis)) for axis in constant(graph, operator, 1).ravel()}
    return tuple(1 if axis in axes else side for axis, side in enumerate(image.shape))


def _mean(graph: Graph, operator: Operator) -> FrameNode:
    image, output = image_and_output(graph, operator)
    shape = mean_shape(graph, operator)
    check_shape(operator, output, shape)
    height, count = image.shape[1], math.prod(image.shape) // math.prod(shape)
    if count > _MAX_PIXELS:
        raise UserError(
            f"{operator} averages {count} values of {image}; the engine supports {_MAX_PIXELS}"
        )
    call = KernelCall(
        kind=Kind.MEAN,
        source=image.index,
        target=output.index,
        extra=count,
        scales=pack_factors([_divided(_rescale(operator, image, output), count)]),
        zero_points=(zero_point_of(image), 0, zero_point_of(output)),
    )
    return FrameNode(
        str(operator),
        (image.index,),
        output.index,
        (call,),
        lambda row: range(height) if shape[1] == 1 else range(row, row + 1),
    )


def _maximum(graph: Graph, operator: Operator) -> FrameNode:
    """The largest value of each channel, as a pool whose window is the frame."""
    image, output = image_and_output(graph, operator)
    _, height, width, channels = image.shape
    axes = {axis_of(image, int(axis)) for axis in constant(graph, operator, 1).ravel()}
    if not {axis for axis in (1, 2) if image.shape[axis] > 1} <= axes <= {0, 1, 2}:
        raise UserError(
            f"{operator} reduces {image} along other axes than height and width, which the engine "
            "does not support"
        )
    check_shape(operator, output, (1, 1, 1, channels))
    if max(height, width) > MAX_WINDOW or image.quantization != output.quantization:
        raise UserError(
            f"{operator} reduces {image} of shape {image.shape} to {output}; the engine supports "
            f"sides up to {MAX_WINDOW} and one scale for both"
        )
    call = KernelCall(
        Kind.MAX_POOL, image.index, output.index, kernel=(height, width), stride=(height, width)
    )
    return FrameNode(
        str(operator), (image.index,), output.index, (call,), lambda row: range(height)
    )


def _rescale(operator: Operator, image: Tensor, output: Tensor) -> Factor:
    return make_factor(operator, scale_of(image) / scale_of(output))


def _divided(factor: Factor, count: int) -> Factor:
    """The factor divided by a count, as TFLM folds the count into its multiplier."""
    shift = min(count.bit_length() - 1, 32, 31 + factor.shift)
    return Factor((factor.multiplier << shift) // count, factor.shift - shift)


RULES: dict[str, Rule] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "FULLY_CONNECTED": _fully_connected,
    "AVERAGE_POOL_2D": _pool,
    "MAX_POOL_2D": _pool,
    "MEAN": _mean,
    "REDUCE_MAX": _maximum,
}
