"""Turns each operator of a graph into the engine's own: what it reads, and its packed constants.

Every rule mirrors how TensorFlow Lite Micro prepares the same operator; the tests compare bits.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from edge_sr.engine import tables
from edge_sr.engine.rounding import Factor
from edge_sr.errors import UserError
from edge_sr.graph import Graph, Operator, Quantization, Tensor, not_integer

MAX_KERNEL = 127
MAX_CHANNELS = 4096
MAX_OPERATORS = 256

SUPPORTED = (
    "CONV_2D and DEPTHWISE_CONV_2D (padding SAME, stride 1, no dilation), PRELU, RELU, RELU6, "
    "LEAKY_RELU, ADD, CONCATENATION of channels, DEPTH_TO_SPACE, SPACE_TO_DEPTH, QUANTIZE, "
    "LOGISTIC and TANH"
)


class Kind(IntEnum):
    """The engine's operators, numbered as in `esr_plan.h`."""

    CONV = 0
    DEPTHWISE = 1
    PRELU = 2
    LUT = 3
    ADD = 4
    CONCAT = 5
    DEPTH_TO_SPACE = 6
    SPACE_TO_DEPTH = 7


@dataclass(frozen=True, eq=False)
class Record:
    """One call of a kernel; `esr_plan.h` explains the fields. Tensors are the graph's indices.

    A convolution has a `window` of weights, (outputs, height, width, inputs per group) int8, which
    is packed for each kind of machine; `weights` are everyone else's.
    """

    kind: Kind
    source: int
    target: int
    other: int | None = None
    kernel: tuple[int, int] = (1, 1)
    groups: int = 1
    extra: int = 0
    weights: bytes = b""
    window: np.ndarray | None = None
    bias: bytes = b""
    scales: bytes = b""
    low: int = -128
    high: int = 127
    zero_points: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True)
class Node:
    """One operator of the graph, as the scheduler sees it.

    Attributes:
        label: for messages and listings.
        inputs: image tensors that it reads; one may appear more than once.
        output: the tensor that it writes.
        kernel: rows and columns of the window that an output pixel reads.
        up: rows of output per row of input (depth-to-space), else 1.
        down: rows of input per row of output (space-to-depth), else 1.
        in_place: inputs whose memory the output may take over.
        records: what runs for each row.
    """

    label: str
    inputs: tuple[int, ...]
    output: int
    records: tuple[Record, ...]
    kernel: tuple[int, int] = (1, 1)
    up: int = 1
    down: int = 1
    in_place: tuple[int, ...] = ()

    def rows(self, row: int) -> tuple[int, int]:
        """The first and the last input row that an output row reads; outside of the frame too."""
        first = row // self.up * self.down
        height = self.kernel[0]
        return first - (height - 1) // 2, first + self.down - 1 + height // 2


def lower(graph: Graph) -> list[Node]:
    """Every operator as a node, in the graph's order.

    Raises:
        UserError: the graph is not fully integer, has several inputs or outputs, or holds an
            operator that the engine lacks; the text names operator and tensor.
    """
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise UserError("the engine runs models with one input and one output image")
    floats = not_integer(graph)
    if floats:
        raise UserError(
            f"the engine runs int8 alone, and {floats[0]}; export the model with --int8"
        )
    if len(graph.operators) > MAX_OPERATORS:
        raise UserError(
            f"the model has {len(graph.operators)} operators; the engine takes {MAX_OPERATORS}"
        )
    for index in graph.inputs:
        _check_image(graph.tensors[index], "the model")
    return [_lower(graph, operator) for operator in graph.operators]


def _lower(graph: Graph, operator: Operator) -> Node:
    rule = _RULES.get(operator.name)
    if rule is None:
        place = f" to make {graph.tensors[operator.outputs[0]]}" if operator.outputs else ""
        raise UserError(f"the engine lacks {operator}, used{place}; it has {SUPPORTED}")
    for index in operator.outputs:
        _check_image(graph.tensors[index], str(operator))
    return rule(graph, operator)


def _check_image(tensor: Tensor, user: str) -> None:
    if len(tensor.shape) != 4 or tensor.shape[0] != 1 or tensor.shape[3] > MAX_CHANNELS:
        raise UserError(
            f"{user} has {tensor} of shape {tensor.shape}; the engine takes (1, H, W, C) with at "
            f"most {MAX_CHANNELS} channels"
        )
    if tensor.quantization is None or len(tensor.quantization.scale) != 1:
        raise UserError(f"{user} has {tensor} without the one scale that an image needs")


def _images(graph: Graph, operator: Operator, count: int) -> list[Tensor]:
    """The first `count` inputs, none of them a constant."""
    found = [graph.tensors[index] for index in operator.inputs[:count]]
    for tensor in found:
        if tensor.data is not None:
            raise UserError(
                f"{operator} reads the constant {tensor} as an image; the engine combines "
                "computed images only"
            )
    return found


def _constant(graph: Graph, operator: Operator, position: int) -> np.ndarray:
    tensor = graph.tensors[operator.inputs[position]]
    if tensor.data is None:
        raise UserError(f"{operator} computes {tensor} while it runs; the engine needs a constant")
    return tensor.data


def _quantization(tensor: Tensor) -> Quantization:
    assert tensor.quantization is not None  # graphs with int8 tensors that lack one are refused
    return tensor.quantization


def _scale(tensor: Tensor) -> float:
    return _quantization(tensor).scale[0]


def _zero_point(tensor: Tensor) -> int:
    return _quantization(tensor).zero_point[0]


def _factor(operator: Operator, real: float) -> Factor:
    """The factor, which C must be able to shift by."""
    factor = Factor.of(real) if math.isfinite(real) else None
    if factor is None or factor.shift > 30:
        raise UserError(f"{operator} multiplies by {real:g}; the engine takes less than 2^30")
    return factor


def _pack_factors(factors: Sequence[Factor]) -> bytes:
    pairs = [(factor.multiplier, factor.shift) for factor in factors]
    return np.array(pairs, "<i4").tobytes()


def _round(value: np.float32) -> int:
    """To the nearest integer, ties away from zero, as C's round."""
    real = float(value)
    return math.floor(real + 0.5) if real >= 0 else math.ceil(real - 0.5)


def _activation(operator: Operator, output: Tensor) -> tuple[int, int]:
    """The range of int8 that a fused activation leaves."""
    limits = {"NONE": (None, None), "RELU": (0, None), "RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1)}
    name = str(operator.options["fused_activation_function"])
    if name not in limits:
        raise UserError(
            f"{operator} fuses the activation {name}; the engine has {', '.join(limits)}"
        )
    low, high = (
        None
        if limit is None
        else _zero_point(output) + _round(np.float32(limit) / np.float32(_scale(output)))
        for limit in limits[name]
    )
    lowest = -128 if low is None else max(-128, low)
    highest = 127 if high is None else min(127, high)
    if lowest > highest:
        raise UserError(f"{operator} leaves no value of {output} after {name}")
    return lowest, highest


# --- convolutions


def _convolution(graph: Graph, operator: Operator) -> Node:
    depthwise = operator.name == "DEPTHWISE_CONV_2D"
    (image,) = _images(graph, operator, 1)
    output = graph.tensors[operator.outputs[0]]
    weights = _weights(graph, operator, depthwise)
    channels, height, width, per_group = weights.shape
    _check_window(operator, image, (height, width))
    groups = image.shape[3] // per_group
    low, high = _activation(operator, output)
    record = Record(
        kind=Kind.DEPTHWISE if per_group == 1 and groups > 1 else Kind.CONV,
        source=image.index,
        target=output.index,
        kernel=(height, width),
        groups=groups,
        window=weights,
        bias=_fold_bias(graph, operator, weights, _zero_point(image)),
        scales=_channel_scales(graph, operator, image, output, channels),
        low=low,
        high=high,
        zero_points=(_zero_point(image), 0, _zero_point(output)),
    )
    return Node(str(operator), (image.index,), output.index, (record,), kernel=(height, width))


def _weights(graph: Graph, operator: Operator, depthwise: bool) -> np.ndarray:
    """(outputs, height, width, inputs per group) int8."""
    weights = _constant(graph, operator, 1)
    tensor = graph.tensors[operator.inputs[1]]
    if any(_quantization(tensor).zero_point):
        raise UserError(f"{operator} has {tensor} with zero points; the engine takes 0 alone")
    if not depthwise:
        return weights
    if weights.shape[0] != 1:
        raise UserError(f"{operator} has {tensor} of shape {tensor.shape}; (1, H, W, C) is due")
    return weights.transpose(3, 1, 2, 0)


def _check_window(operator: Operator, image: Tensor, kernel: tuple[int, int]) -> None:
    strides = [operator.number(f"stride_{axis}") for axis in "hw"]
    dilations = [operator.number(f"dilation_{axis}_factor") for axis in "hw"]
    # Where the kernel covers one pixel, nothing is padded.
    same = operator.options["padding"] == "SAME" or kernel == (1, 1)
    if strides != [1, 1] or dilations != [1, 1] or not same or max(kernel) > MAX_KERNEL:
        raise UserError(
            f"{operator} slides a kernel of {kernel} over {image} with padding "
            f"{operator.options['padding']}, stride {strides} and dilation {dilations}; the engine "
            f"has padding SAME, stride 1, no dilation and kernels up to {MAX_KERNEL}"
        )


def _fold_bias(graph: Graph, operator: Operator, weights: np.ndarray, zero_point: int) -> bytes:
    """The bias less what the input's zero point adds to each sum, modulo 2^32."""
    given = len(operator.inputs) > 2 and operator.inputs[2] != -1
    bias = _constant(graph, operator, 2).ravel() if given else np.zeros(len(weights), np.int32)
    sums = weights.astype(np.int64).sum(axis=(1, 2, 3))
    return (bias.astype(np.int64) - zero_point * sums).astype("<i4").tobytes()


def _channel_scales(
    graph: Graph, operator: Operator, image: Tensor, output: Tensor, channels: int
) -> bytes:
    weights = graph.tensors[operator.inputs[1]]
    quantization = _quantization(weights)
    axis = 3 if operator.name == "DEPTHWISE_CONV_2D" else 0
    if len(quantization.scale) > 1 and quantization.axis != axis:
        raise UserError(f"{operator} has {weights} with scales along axis {quantization.axis}")
    scales = np.broadcast_to(quantization.scale, (channels,))
    return _pack_factors(
        [_factor(operator, _scale(image) * float(scale) / _scale(output)) for scale in scales]
    )


# --- operators on each value by itself


def _slopes(
    operator: Operator,
    image: Tensor,
    output: Tensor,
    positive: Factor,
    negative: Factor,
    *,
    alpha: bytes = b"",
    negate: bool = False,
    limits: tuple[int, int] = (-128, 127),
    out_zero_point: int | None = None,
) -> Node:
    record = Record(
        kind=Kind.PRELU,
        source=image.index,
        target=output.index,
        extra=int(negate),
        weights=alpha,
        scales=_pack_factors([positive, negative]),
        low=limits[0],
        high=limits[1],
        zero_points=(
            _zero_point(image),
            0,
            _zero_point(output) if out_zero_point is None else out_zero_point,
        ),
    )
    return _pointwise(operator, (image.index,), output, record)


def _pointwise(operator: Operator, inputs: tuple[int, ...], output: Tensor, record: Record) -> Node:
    return Node(str(operator), inputs, output.index, (record,), in_place=inputs)


def _image_and_output(graph: Graph, operator: Operator) -> tuple[Tensor, Tensor]:
    (image,) = _images(graph, operator, 1)
    return image, graph.tensors[operator.outputs[0]]


def _prelu(graph: Graph, operator: Operator) -> Node:
    image, output = _image_and_output(graph, operator)
    slopes = graph.tensors[operator.inputs[1]]
    data, zero_points = _constant(graph, operator, 1), _quantization(slopes).zero_point
    channels = image.shape[3]
    if data.size not in (1, channels) or data.shape[-1:] != (data.size,) or any(zero_points):
        raise UserError(
            f"{operator} has {slopes} of shape {slopes.shape}; the engine takes one slope per "
            "channel, with zero point 0"
        )
    positive = _scale(image) / _scale(output)
    negative = _scale(image) * _scale(slopes) / _scale(output)
    return _slopes(
        operator,
        image,
        output,
        _factor(operator, positive),
        _factor(operator, negative),
        alpha=np.broadcast_to(data.ravel(), (channels,)).tobytes(),
    )


def _leaky_relu(graph: Graph, operator: Operator) -> Node:
    image, output = _image_and_output(graph, operator)
    alpha = operator.options["alpha"]
    assert isinstance(alpha, float)
    # TFLM computes both factors in single precision.
    with np.errstate(over="ignore"):
        slope = float(np.float32(_scale(image)) * np.float32(alpha) / np.float32(_scale(output)))
    return _slopes(
        operator,
        image,
        output,
        _factor(operator, float(np.float32(_scale(image)) / np.float32(_scale(output)))),
        _factor(operator, abs(slope)),
        negate=slope < 0,
    )


def _relu(graph: Graph, operator: Operator) -> Node:
    image, output = _image_and_output(graph, operator)
    factor = _factor(operator, float(np.float32(_scale(image)) / np.float32(_scale(output))))
    limits = (_zero_point(output), 127)
    return _slopes(operator, image, output, factor, factor, limits=limits)


def _relu6(graph: Graph, operator: Operator) -> Node:
    """TFLM clips the stored values and does not rescale them."""
    image, output = _image_and_output(graph, operator)
    zero_point = _zero_point(image)
    six = zero_point + _round(np.float32(6) / np.float32(_scale(image)))
    limits = (zero_point, min(127, six))
    one = Factor.of(1.0)
    return _slopes(operator, image, output, one, one, limits=limits, out_zero_point=zero_point)


def _quantize(graph: Graph, operator: Operator) -> Node:
    image, output = _image_and_output(graph, operator)
    factor = _factor(operator, _scale(image) / _scale(output))
    return _slopes(operator, image, output, factor, factor)


def _table(graph: Graph, operator: Operator) -> Node:
    image, output = _image_and_output(graph, operator)
    fill, scale, zero_point = {
        "LOGISTIC": (tables.logistic, 1 / 256, -128),
        "TANH": (tables.tanh, 1 / 128, 0),
    }[operator.name]
    if (_scale(output), _zero_point(output)) != (scale, zero_point):
        raise UserError(
            f"{operator} gives {output} with scale {_scale(output):g} and zero point "
            f"{_zero_point(output)}; the engine has {scale:g} and {zero_point}"
        )
    if _scale(image) < 2**-27:
        raise UserError(f"{operator} has {image} with a scale below 2^-27")
    values = fill(_scale(image), _zero_point(image))
    record = Record(Kind.LUT, image.index, output.index, weights=values.tobytes())
    return _pointwise(operator, (image.index,), output, record)


# --- operators on several images, or on their layout


def _add(graph: Graph, operator: Operator) -> Node:
    left, right = _images(graph, operator, 2)
    output = graph.tensors[operator.outputs[0]]
    if left.shape != right.shape:
        raise UserError(
            f"{operator} adds {left} and {right} of different shapes; the engine takes equal ones"
        )
    # TFLM: both to twice the larger scale with 20 more bits, then to the output's.
    twice = 2 * max(_scale(left), _scale(right))
    reals = (_scale(left) / twice, _scale(right) / twice, twice / (2**20 * _scale(output)))
    if reals[2] >= 1:
        raise UserError(f"{operator} has scales too far apart for the 20 bits that TFLM adds with")
    low, high = _activation(operator, output)
    record = Record(
        kind=Kind.ADD,
        source=left.index,
        other=right.index,
        target=output.index,
        scales=_pack_factors([_factor(operator, real) for real in reals]),
        low=low,
        high=high,
        zero_points=(_zero_point(left), _zero_point(right), _zero_point(output)),
    )
    return _pointwise(operator, (left.index, right.index), output, record)


def _concatenation(graph: Graph, operator: Operator) -> Node:
    parts = _images(graph, operator, len(operator.inputs))
    output = graph.tensors[operator.outputs[0]]
    if operator.number("axis") % 4 != 3 or operator.options["fused_activation_function"] != "NONE":
        raise UserError(
            f"{operator} joins along axis {operator.number('axis')} with activation "
            f"{operator.options['fused_activation_function']}; the engine joins channels, with none"
        )
    for part in parts:
        if (_scale(part), _zero_point(part)) != (_scale(output), _zero_point(output)):
            raise UserError(
                f"{operator} joins {part} into {output}, which is quantized otherwise; TFLM and "
                "the engine need equal scales and zero points"
            )
    return Node(str(operator), operator.inputs, output.index, tuple(_joins(parts, output)))


def _joins(parts: Sequence[Tensor], output: Tensor) -> list[Record]:
    """One record per part; neighbours that are the same tensor are one repeated part."""
    records: list[Record] = []
    channel = place = 0
    while place < len(parts):
        part, repeats = parts[place], 1
        while parts[place + repeats : place + repeats + 1] == [part]:
            repeats += 1
        records.append(
            Record(Kind.CONCAT, part.index, output.index, kernel=(1, repeats), extra=channel)
        )
        channel += part.shape[3] * repeats
        place += repeats
    return records


def _rearrangement(graph: Graph, operator: Operator) -> Node:
    image, output = _image_and_output(graph, operator)
    block = operator.number("block_size")
    up, down = (block, 1) if operator.name == "DEPTH_TO_SPACE" else (1, block)
    record = Record(Kind[operator.name], image.index, output.index, extra=block)
    return Node(str(operator), (image.index,), output.index, (record,), up=up, down=down)


_RULES: dict[str, Callable[[Graph, Operator], Node]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "PRELU": _prelu,
    "LEAKY_RELU": _leaky_relu,
    "RELU": _relu,
    "RELU6": _relu6,
    "QUANTIZE": _quantize,
    "LOGISTIC": _table,
    "TANH": _table,
    "ADD": _add,
    "CONCATENATION": _concatenation,
    "DEPTH_TO_SPACE": _rearrangement,
    "SPACE_TO_DEPTH": _rearrangement,
}
