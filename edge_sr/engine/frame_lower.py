"""Lowers each operator of a graph to kernel calls of a frame plan: one for frames of one size.

Every rule mirrors how TensorFlow Lite Micro prepares the same operator; the tests compare bits.
Rules of operators that work on frames of any size, too, are those of `lower.py`.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_sr.engine import lower, lut
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
from edge_sr.graph import Graph, Operator, Tensor, not_integer

MAX_SIDE = 65535
"""The most rows, columns or channels of a tensor, padding included."""

MAX_WINDOW = 1024
"""The largest kernel, stride and dilation."""

_MAX_SOFTMAX = 511  # TFLM aborts where the exponentials sum up to 512
_MAX_PIXELS = 2**23  # whose sum fits in 32 bits

_FASTEST = 127  # the largest kernel of the kernels with stride 1, and their most channels
_FASTEST_CHANNELS = 4096

Rows = Callable[[int], range]


@dataclass(frozen=True)
class FrameNode:
    """One operator of a frame plan, as the scheduler sees it.

    Attributes:
        label: the operator's name in messages.
        inputs: tensors that it reads.
        output: the tensor that it writes.
        calls: the kernel calls that compute a row.
        rows: the input rows that an output row reads; those outside the frame are padding.
        columns: padding left and right of its inputs that it reads.
        in_place: inputs that the output may overwrite.
    """

    label: str
    inputs: tuple[int, ...]
    output: int
    calls: tuple[KernelCall, ...]
    rows: Rows
    columns: tuple[int, int] = (0, 0)
    in_place: tuple[int, ...] = ()


def as_images(graph: Graph) -> Graph:
    """The graph with each vector (1, N) as an image (1, 1, 1, N) of one pixel."""
    return dataclasses.replace(graph, tensors=tuple(map(_as_image, graph.tensors)))


def _as_image(tensor: Tensor) -> Tensor:
    if tensor.data is not None or len(tensor.shape) != 2 or tensor.shape[0] != 1:
        return tensor
    return dataclasses.replace(tensor, shape=(1, 1, *tensor.shape))


def lower_frame(graph: Graph) -> list[FrameNode]:
    """The operators that the output depends on, in the graph's order.

    Args:
        graph: as `as_images` gives it.

    Raises:
        UserError: the graph is not fully integer, has several inputs or outputs, or holds an
            unsupported operator; the message names operator and tensor.
    """
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise UserError(
            f"the model has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs; the "
            "engine runs models with one of each"
        )
    floats = not_integer(graph)
    if floats:
        raise UserError(f"the engine runs only int8 models, but {floats[0]}")
    if len(graph.operators) > lower.MAX_OPERATORS:
        raise UserError(
            f"the model has {len(graph.operators)} operators; the engine supports "
            f"{lower.MAX_OPERATORS}"
        )
    _check_tensor(graph.input, "the model")
    nodes: list[FrameNode] = []
    needed = {graph.output.index}
    for operator in reversed(graph.operators):
        if needed.intersection(operator.outputs):
            nodes.insert(0, _lower(graph, operator))
            needed.update(nodes[0].inputs)
    if not nodes:
        raise UserError("the model computes nothing: its output is its input")
    return nodes


def _check_tensor(tensor: Tensor, user: str) -> None:
    if len(tensor.shape) != 4 or tensor.shape[0] != 1 or max(tensor.shape) > MAX_SIDE:
        raise UserError(
            f"{user} has {tensor} of shape {tensor.shape}; the engine supports (1, H, W, C) and "
            f"(1, N) with sides up to {MAX_SIDE}"
        )
    if tensor.quantization is None or len(tensor.quantization.scale) != 1:
        raise UserError(f"{user} has {tensor} with no scale or several; an image needs one scale")


def _lower(graph: Graph, operator: Operator) -> FrameNode:
    if len(operator.outputs) != 1:
        raise UserError(f"{operator} has {len(operator.outputs)} outputs; the engine supports one")
    _check_inputs(operator)
    for index in (*operator.inputs, *operator.outputs):
        if index >= 0 and graph.tensors[index].data is None:
            _check_tensor(graph.tensors[index], str(operator))
    rule = _RULES.get(operator.name)
    if rule is not None:
        return rule(graph, operator)
    if operator.name not in lower.RULES:
        raise UserError(
            f"the engine does not support {operator} (it computes "
            f"{graph.tensors[operator.outputs[0]]}); it supports {SUPPORTED}"
        )
    node = lower.RULES[operator.name](graph, operator)
    source, output = graph.tensors[node.inputs[0]], graph.tensors[node.output]
    _check_shape(operator, output, _shape_of_streamed(operator, graph, node.inputs, source))
    return FrameNode(
        node.label,
        node.inputs,
        node.output,
        node.calls,
        lambda row: range(row // node.up * node.down, row // node.up * node.down + node.down),
        in_place=node.in_place,
    )


def _check_inputs(operator: Operator) -> None:
    fewest, most = _INPUTS.get(operator.name, (1, len(operator.inputs)))
    if not fewest <= len(operator.inputs) <= most or -1 in operator.inputs[:fewest]:
        raise UserError(f"{operator} has {len(operator.inputs)} inputs, or lacks one that it needs")
    if operator.name in _WITH_OPTIONS and not operator.options:
        raise UserError(f"{operator} lacks its options; convert the model again")


def _shape_of_streamed(
    operator: Operator, graph: Graph, inputs: tuple[int, ...], source: Tensor
) -> tuple[int, ...]:
    """The output's shape of an operator that `lower.py` has a rule for."""
    _, height, width, channels = source.shape
    if operator.name == "CONCATENATION":
        return (1, height, width, sum(graph.tensors[index].shape[3] for index in inputs))
    if operator.name == "DEPTH_TO_SPACE":
        block = operator.number("block_size")
        return (1, height * block, width * block, channels // block**2)
    if operator.name == "SPACE_TO_DEPTH":
        block = operator.number("block_size")
        return (1, height // block, width // block, channels * block**2)
    return source.shape


def _check_shape(operator: Operator, output: Tensor, shape: tuple[int, ...]) -> None:
    if output.shape != shape:
        raise UserError(
            f"{operator} declares {output} of shape {output.shape}, but computes {shape}"
        )


# --- windows


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
    _check_shape(operator, output, (1, *windows.size, outputs))
    groups = image.shape[3] // per_group
    single = per_group == 1 and groups > 1
    plain = (
        (*windows.stride, *dilation) == (1, 1, 1, 1)
        and max(height, width) <= _FASTEST
        and max(per_group, outputs // groups) <= _FASTEST_CHANNELS
    )
    kinds = (Kind.CONV, Kind.DEPTHWISE) if plain else (Kind.ANY_CONV, Kind.ANY_DEPTHWISE)
    data = weights if not single else weights[:, :, :, 0].transpose(1, 2, 0)
    low, high = activation_range(operator, output)
    call = KernelCall(
        kind=kinds[single],
        source=image.index,
        target=output.index,
        kernel=(height, width),
        groups=groups,
        window=weights if plain else None,
        weights=b"" if plain else data.tobytes(),
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
    """A dense layer is a convolution whose kernel covers the frame."""
    image, output = image_and_output(graph, operator)
    weights, tensor = constant(graph, operator, 1), graph.tensors[operator.inputs[1]]
    _, height, width, channels = image.shape
    if operator.options["weights_format"] or weights.ndim != 2 or weights.dtype != np.int8:
        raise UserError(f"{operator} has {tensor} in a format that the engine does not support")
    if weights.shape[1] != height * width * channels:
        raise UserError(
            f"{operator} has {tensor} of shape {tensor.shape} for {image} of shape {image.shape}"
        )
    _check_shape(operator, output, (1, 1, 1, weights.shape[0]))
    if max(height, width) > MAX_WINDOW:
        raise UserError(
            f"{operator} reads {image} of shape {image.shape}; the engine supports sides up to "
            f"{MAX_WINDOW}"
        )
    window = weights.reshape(-1, height, width, channels)
    lower.check_zero_points(operator, tensor)
    _check_bias(graph, operator, len(weights))
    low, high = activation_range(operator, output)
    call = KernelCall(
        kind=Kind.ANY_CONV,
        source=image.index,
        target=output.index,
        kernel=(height, width),
        weights=window.tobytes(),
        bias=lower.fold_bias(graph, operator, window, zero_point_of(image)),
        scales=_dense_scales(graph, operator, image, output, len(weights)),
        low=low,
        high=high,
        zero_points=(zero_point_of(image), 0, zero_point_of(output)),
    )
    return FrameNode(
        str(operator), (image.index,), output.index, (call,), lambda row: range(height)
    )


def _check_bias(graph: Graph, operator: Operator, outputs: int) -> None:
    if len(operator.inputs) > 2 and operator.inputs[2] != -1:
        bias = constant(graph, operator, 2)
        if bias.dtype != np.int32 or bias.size != outputs:
            raise UserError(
                f"{operator} has a bias of {bias.size} {bias.dtype}; it needs {outputs} int32"
            )


def _dense_scales(
    graph: Graph, operator: Operator, image: Tensor, output: Tensor, outputs: int
) -> bytes:
    weights = graph.tensors[operator.inputs[1]]
    assert weights.quantization is not None  # `lower_frame` has checked it
    if len(weights.quantization.scale) > 1:
        return lower.channel_scales(graph, operator, image, output, outputs)
    # TFLM multiplies both scales in single precision if there is one for all outputs.
    product = np.float32(scale_of(image)) * np.float32(scale_of(weights))
    factor = make_factor(operator, float(product) / scale_of(output))
    return pack_factors([factor] * outputs)


# --- pooling


def _pool(graph: Graph, operator: Operator) -> FrameNode:
    image, output = image_and_output(graph, operator)
    kernel = (operator.number("filter_height"), operator.number("filter_width"))
    windows = _windows(operator, image, kernel, (1, 1))
    _check_shape(operator, output, (1, *windows.size, image.shape[3]))
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


def _mean(graph: Graph, operator: Operator) -> FrameNode:
    image, output = image_and_output(graph, operator)
    _, height, width, channels = image.shape
    axes = sorted(int(axis) % 4 for axis in constant(graph, operator, 1).ravel())
    if axes != [1, 2] or height * width > _MAX_PIXELS:
        raise UserError(
            f"{operator} averages axes {axes} of {image} of shape {image.shape}; the engine "
            f"supports height and width, at most {_MAX_PIXELS} pixels"
        )
    _check_shape(operator, output, (1, 1, 1, channels))
    call = KernelCall(
        kind=Kind.MEAN,
        source=image.index,
        target=output.index,
        extra=height * width,
        scales=pack_factors([_divided(_rescale(operator, image, output), height * width)]),
        zero_points=(zero_point_of(image), 0, zero_point_of(output)),
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


# --- other operators


def _softmax(graph: Graph, operator: Operator) -> FrameNode:
    image, output = image_and_output(graph, operator)
    _check_shape(operator, output, image.shape)
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
    margins = constant(graph, operator, 1)
    if margins.shape != (4, 2) or margins[0].any() or margins.min() < 0:
        raise UserError(f"{operator} pads by {margins.tolist()}, which the engine does not support")
    if (scale_of(image), zero_point_of(image)) != (scale_of(output), zero_point_of(output)):
        raise UserError(f"{operator} pads {image} to {output}, whose scale or zero point differs")
    shape = (size + int(sum(both)) for size, both in zip(image.shape, margins, strict=True))
    _check_shape(operator, output, tuple(shape))
    top, height = int(margins[1, 0]), image.shape[1]
    call = KernelCall(
        kind=Kind.PAD,
        source=image.index,
        target=output.index,
        extra=int(margins[3, 0]),
        zero_points=(0, 0, zero_point_of(output)),
        padding=(top, int(margins[2, 0])),
    )

    def rows(row: int) -> range:
        return range(row - top, row - top + 1) if 0 <= row - top < height else range(0)

    return FrameNode(str(operator), (image.index,), output.index, (call,), rows)


def _reshape(graph: Graph, operator: Operator) -> FrameNode:
    image, output = image_and_output(graph, operator)
    if math.prod(image.shape) != math.prod(output.shape):
        raise UserError(f"{operator} cannot make {output.shape} of {image.shape}")
    if (scale_of(image), zero_point_of(image)) != (scale_of(output), zero_point_of(output)):
        raise UserError(f"{operator} makes {output} of {image}, whose scale or zero point differs")
    in_values, out_values = (math.prod(tensor.shape[2:]) for tensor in (image, output))

    def rows(row: int) -> range:
        first, last = row * out_values, (row + 1) * out_values - 1
        return range(first // in_values, last // in_values + 1)

    call = KernelCall(Kind.RESHAPE, image.index, output.index)
    return FrameNode(str(operator), (image.index,), output.index, (call,), rows)


_RULES: dict[str, Callable[[Graph, Operator], FrameNode]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "FULLY_CONNECTED": _fully_connected,
    "AVERAGE_POOL_2D": _pool,
    "MAX_POOL_2D": _pool,
    "MEAN": _mean,
    "SOFTMAX": _softmax,
    "PAD": _pad,
    "RESHAPE": _reshape,
}

# Fewest and most inputs of operators whose inputs the graph's reader does not count.
_INPUTS = {
    "FULLY_CONNECTED": (2, 3),
    "AVERAGE_POOL_2D": (1, 1),
    "MAX_POOL_2D": (1, 1),
    "MEAN": (2, 2),
    "SOFTMAX": (1, 1),
    "RESHAPE": (1, 2),
}

# Operators that the graph's reader accepts without options.
_WITH_OPTIONS = ("AVERAGE_POOL_2D", "MAX_POOL_2D", "FULLY_CONNECTED", "SOFTMAX")

SUPPORTED = ", ".join(sorted({*_RULES, *lower.RULES}))


def padding_of(
    graph: Graph, nodes: list[FrameNode], tensors: tuple[int, ...]
) -> tuple[int, int, int, int]:
    """Rows above and below the frames of tensors, columns left and right, that nodes read."""
    top = bottom = left = right = 0
    for node, source in itertools.product(nodes, tensors):
        if source in node.inputs:
            height, last = graph.tensors[source].shape[1], graph.tensors[node.output].shape[1] - 1
            top = max(top, -min(0, *node.rows(0)) if node.rows(0) else 0)
            bottom = max(bottom, node.rows(last).stop - height if node.rows(last) else 0)
            left, right = max(left, node.columns[0]), max(right, node.columns[1])
    return top, bottom, left, right
