"""Lowers each operator of a graph to the engine's kernel calls, with packed constants.

Every rule mirrors how TensorFlow Lite Micro prepares the same operator; the tests compare bits.
"""

from collections.abc import Callable, Sequence

import numpy as np

from edge_sr.engine.combine import sum_factors
from edge_sr.engine.lower_tables import TABLE_RULES, of_one_image, turn_top_bit
from edge_sr.engine.nodes import KernelCall, Kind, Node
from edge_sr.engine.operands import (
    END_TYPES,
    activation_range,
    check_image,
    check_types,
    constant,
    image_and_output,
    images,
    make_factor,
    pack_factors,
    quantization_of,
    round_half_away,
    scale_of,
    zero_point_of,
)
from edge_sr.engine.rounding import Factor
from edge_sr.errors import UserError
from edge_sr.graph import Graph, Operator, Tensor, not_integer

MAX_KERNEL = 127
MAX_STRIDE = 4
MAX_OPERATORS = 256


def lower(graph: Graph) -> list[Node]:
    """Every operator as a node, in the graph's order.

    Raises:
        UserError: the graph is not fully integer, has several inputs or outputs, or holds an
            unsupported operator; the message names operator and tensor.
    """
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise UserError("the engine runs models with one input and one output image")
    floats = not_integer(graph, END_TYPES)
    if floats:
        raise UserError(
            f"the engine runs only int8 models, but {floats[0]}; export the model with --int8"
        )
    if len(graph.operators) > MAX_OPERATORS:
        raise UserError(
            f"the model has {len(graph.operators)} operators; the engine supports {MAX_OPERATORS}"
        )
    for index in graph.inputs:
        check_image(graph.tensors[index], "the model")
    return [_lower(graph, operator) for operator in graph.operators]


def _lower(graph: Graph, operator: Operator) -> Node:
    rule = RULES.get(operator.name)
    if rule is None:
        use = f" (it computes {graph.tensors[operator.outputs[0]]})" if operator.outputs else ""
        raise UserError(f"the engine does not support {operator}{use}; it supports {SUPPORTED}")
    check_types(graph, operator)
    for index in operator.outputs:
        check_image(graph.tensors[index], str(operator))
    return rule(graph, operator)


# --- convolutions


def _convolution(graph: Graph, operator: Operator) -> Node:
    depthwise = operator.name == "DEPTHWISE_CONV_2D"
    (image,) = images(graph, operator, 1)
    output = graph.tensors[operator.outputs[0]]
    weights = read_weights(graph, operator, depthwise)
    channels, height, width, per_group = weights.shape
    groups = image.shape[3] // per_group
    kind = Kind.DEPTHWISE if per_group == 1 and groups > 1 else Kind.CONV
    stride = _stride(operator, image, (height, width), MAX_STRIDE if kind == Kind.CONV else 1)
    low, high = activation_range(operator, output)
    call = KernelCall(
        kind=kind,
        source=image.index,
        target=output.index,
        kernel=(height, width),
        groups=groups,
        extra=stride - 1,
        window=weights,
        bias=fold_bias(graph, operator, weights, zero_point_of(image)),
        scales=channel_scales(graph, operator, image, output, channels),
        low=low,
        high=high,
        zero_points=(zero_point_of(image), 0, zero_point_of(output)),
    )
    # An output pixel belongs to `stride` rows and columns of the input, and reads these and more.
    reach = max(1, height - stride + 1), max(1, width - stride + 1)
    return Node(str(operator), (image.index,), output.index, (call,), kernel=reach, down=stride)


def check_zero_points(operator: Operator, tensor: Tensor) -> None:
    """Refuse weights with nonzero zero points.

    Raises:
        UserError: a zero point is not 0.
    """
    if any(quantization_of(tensor).zero_point):
        raise UserError(
            f"{operator} has {tensor} with nonzero zero points; the engine supports only 0"
        )


def read_weights(graph: Graph, operator: Operator, depthwise: bool) -> np.ndarray:
    """A convolution's weights, (outputs, height, width, inputs per group) int8.

    Raises:
        UserError: they are not constant, or have another shape or nonzero zero points.
    """
    weights = constant(graph, operator, 1)
    tensor = graph.tensors[operator.inputs[1]]
    check_zero_points(operator, tensor)
    if not depthwise:
        return weights
    if weights.shape[0] != 1:
        raise UserError(
            f"{operator} has {tensor} of shape {tensor.shape}; the engine supports (1, H, W, C)"
        )
    return weights.transpose(3, 1, 2, 0)


def _stride(operator: Operator, image: Tensor, kernel: tuple[int, int], most: int) -> int:
    """The stride of a convolution's windows, which must cover the whole image.

    Raises:
        UserError: the windows are of another kind, or the stride does not divide the image's size.
    """
    strides = [operator.number(f"stride_{axis}") for axis in "hw"]
    dilations = [operator.number(f"dilation_{axis}_factor") for axis in "hw"]
    # A kernel of one pixel needs no padding.
    same = operator.options["padding"] == "SAME" or kernel == (1, 1)
    stride = strides[0]
    whole = 1 <= stride <= most and not any(side % stride for side in image.shape[1:3])
    if (
        strides != [stride, stride]
        or not whole
        or dilations != [1, 1]
        or not same
        or (max(kernel) > MAX_KERNEL)
    ):
        raise UserError(
            f"{operator} has a kernel of {kernel} over {image} with padding "
            f"{operator.options['padding']}, stride {strides} and dilation {dilations}; the engine "
            f"supports {_WINDOW if most == 1 else _STRIDED}, and kernels up to {MAX_KERNEL}"
        )
    return stride


def fold_bias(graph: Graph, operator: Operator, weights: np.ndarray, zero_point: int) -> bytes:
    """The bias minus the input's zero point times the sum of weights, modulo 2^32."""
    given = len(operator.inputs) > 2 and operator.inputs[2] != -1
    bias = constant(graph, operator, 2).ravel() if given else np.zeros(len(weights), np.int32)
    sums = weights.astype(np.int64).sum(axis=(1, 2, 3))
    return (bias.astype(np.int64) - zero_point * sums).astype("<i4").tobytes()


def channel_scales(
    graph: Graph, operator: Operator, image: Tensor, output: Tensor, channels: int
) -> bytes:
    """The factor of each output channel, packed; weights have a scale per channel or one for all.

    Raises:
        UserError: the scales lie along another axis, or a factor is too large.
    """
    weights = graph.tensors[operator.inputs[1]]
    quantization = quantization_of(weights)
    axis = 3 if operator.name == "DEPTHWISE_CONV_2D" else 0
    if len(quantization.scale) > 1 and quantization.axis != axis:
        raise UserError(
            f"{operator} has {weights} with scales along axis {quantization.axis}, not {axis}"
        )
    scales = np.broadcast_to(quantization.scale, (channels,))
    return pack_factors(
        [
            make_factor(operator, scale_of(image) * float(scale) / scale_of(output))
            for scale in scales
        ]
    )


# --- element-wise operators


def _prelu_node(
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
    """A prelu kernel: a factor for positive values and one for negative values, times alpha."""
    call = KernelCall(
        kind=Kind.PRELU,
        source=image.index,
        target=output.index,
        extra=int(negate),
        weights=alpha,
        scales=pack_factors([positive, negative]),
        low=limits[0],
        high=limits[1],
        zero_points=(
            zero_point_of(image),
            0,
            zero_point_of(output) if out_zero_point is None else out_zero_point,
        ),
    )
    return _element_wise(operator, (image.index,), output, call)


def _element_wise(
    operator: Operator, inputs: tuple[int, ...], output: Tensor, call: KernelCall
) -> Node:
    return Node(str(operator), inputs, output.index, (call,), in_place=inputs)


def _prelu(graph: Graph, operator: Operator) -> Node:
    image, output = image_and_output(graph, operator)
    alpha = graph.tensors[operator.inputs[1]]
    data, zero_points = constant(graph, operator, 1), quantization_of(alpha).zero_point
    channels = image.shape[3]
    if data.size not in (1, channels) or data.shape[-1:] != (data.size,) or any(zero_points):
        raise UserError(
            f"{operator} has {alpha} of shape {alpha.shape}; the engine supports one alpha per "
            "channel, with zero point 0"
        )
    positive = scale_of(image) / scale_of(output)
    negative = scale_of(image) * scale_of(alpha) / scale_of(output)
    return _prelu_node(
        operator,
        image,
        output,
        make_factor(operator, positive),
        make_factor(operator, negative),
        alpha=np.broadcast_to(data.ravel(), (channels,)).tobytes(),
    )


def _leaky_relu(graph: Graph, operator: Operator) -> Node:
    image, output = image_and_output(graph, operator)
    alpha = operator.options["alpha"]
    assert isinstance(alpha, float)
    slope = scale_of(image) * alpha / scale_of(output)
    return _prelu_node(
        operator,
        image,
        output,
        make_factor(operator, scale_of(image) / scale_of(output)),
        make_factor(operator, abs(slope)),
        negate=slope < 0,
    )


def _relu(graph: Graph, operator: Operator) -> Node:
    image, output = image_and_output(graph, operator)
    factor = make_factor(operator, scale_of(image) / scale_of(output))
    limits = (zero_point_of(output), 127)
    return _prelu_node(operator, image, output, factor, factor, limits=limits)


def _relu6(graph: Graph, operator: Operator) -> Node:
    """TFLM clips the stored values and does not rescale them."""
    image, output = image_and_output(graph, operator)
    zero_point = zero_point_of(image)
    six = zero_point + round_half_away(np.float32(6) / np.float32(scale_of(image)))
    limits = (zero_point, min(127, six))
    one = Factor.of(1.0)
    return _prelu_node(operator, image, output, one, one, limits=limits, out_zero_point=zero_point)


def _quantize(graph: Graph, operator: Operator) -> Node:
    image, output = image_and_output(graph, operator)
    if "uint8" in (image.dtype, output.dtype):
        return turn_top_bit(graph, operator)
    factor = make_factor(operator, scale_of(image) / scale_of(output))
    return _prelu_node(operator, image, output, factor, factor)


# --- operators on several images, or on the order of values


def _add(graph: Graph, operator: Operator) -> Node:
    node = of_one_image(graph, operator)
    if node is not None:
        return node
    left, right = (graph.tensors[index] for index in operator.inputs)
    output = graph.tensors[operator.outputs[0]]
    if left.shape != right.shape or left.data is not None or right.data is not None:
        raise UserError(
            f"{operator} adds {left} of shape {left.shape} and {right} of shape {right.shape}; for "
            "frames of any size the engine supports images of one shape, or an image and one "
            "constant number"
        )
    low, high = activation_range(operator, output)
    call = KernelCall(
        kind=Kind.ADD,
        source=left.index,
        other=right.index,
        target=output.index,
        scales=pack_factors(sum_factors(operator, left, right, output)),
        low=low,
        high=high,
        zero_points=(zero_point_of(left), zero_point_of(right), zero_point_of(output)),
    )
    return _element_wise(operator, (left.index, right.index), output, call)


def _concatenation(graph: Graph, operator: Operator) -> Node:
    parts = images(graph, operator, len(operator.inputs))
    output = graph.tensors[operator.outputs[0]]
    if operator.number("axis") % 4 != 3 or operator.options["fused_activation_function"] != "NONE":
        raise UserError(
            f"{operator} concatenates along axis {operator.number('axis')} with activation "
            f"{operator.options['fused_activation_function']}; the engine supports channels "
            "without an activation"
        )
    for part in parts:
        if (scale_of(part), zero_point_of(part)) != (scale_of(output), zero_point_of(output)):
            raise UserError(
                f"{operator} concatenates {part} into {output}, whose scale or zero point differs; "
                "TFLM and the engine need equal ones"
            )
    return Node(str(operator), operator.inputs, output.index, tuple(_concat_calls(parts, output)))


def _concat_calls(parts: Sequence[Tensor], output: Tensor) -> list[KernelCall]:
    """One call per part; neighbours that are the same tensor are one repeated part."""
    calls: list[KernelCall] = []
    channel = index = 0
    while index < len(parts):
        part, repeats = parts[index], 1
        while parts[index + repeats : index + repeats + 1] == [part]:
            repeats += 1
        calls.append(
            KernelCall(Kind.CONCAT, part.index, output.index, kernel=(1, repeats), extra=channel)
        )
        channel += part.shape[3] * repeats
        index += repeats
    return calls


def _rearrangement(graph: Graph, operator: Operator) -> Node:
    image, output = image_and_output(graph, operator)
    block = operator.number("block_size")
    up, down = (block, 1) if operator.name == "DEPTH_TO_SPACE" else (1, block)
    call = KernelCall(Kind[operator.name], image.index, output.index, extra=block)
    return Node(str(operator), (image.index,), output.index, (call,), up=up, down=down)


RULES: dict[str, Callable[[Graph, Operator], Node]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "PRELU": _prelu,
    "LEAKY_RELU": _leaky_relu,
    "RELU": _relu,
    "RELU6": _relu6,
    "QUANTIZE": _quantize,
    "ADD": _add,
    "CONCATENATION": _concatenation,
    "DEPTH_TO_SPACE": _rearrangement,
    "SPACE_TO_DEPTH": _rearrangement,
    **TABLE_RULES,
}

_WINDOW = "padding SAME, stride 1, no dilation"
_STRIDED = f"{_WINDOW}, or a stride up to {MAX_STRIDE} that divides the image's size"
_ONE_IMAGE = "of an image and a constant number, or a function of the same image"

LIMITS = {
    "CONV_2D": _STRIDED,
    "DEPTHWISE_CONV_2D": _WINDOW,
    "CONCATENATION": "of channels",
    **dict.fromkeys(("SUB", "MUL", "MINIMUM", "MAXIMUM"), _ONE_IMAGE),
    "ADD": "of images of one shape, or an image and a constant number",
    "QUANTIZE": "to int8, and from or to uint8 at input and output",
    "PRELU": "a slope per channel, or one",
}
"""What limits the operators, in words."""

SUPPORTED = ", ".join(
    f"{name} ({LIMITS[name]})" if name in LIMITS else name for name in sorted(RULES)
)
"""The operators in messages, with what limits them."""
