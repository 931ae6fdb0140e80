"""Computes scale, halo, parameters and multiply-accumulates of a network from its graph."""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Literal

from edge_sr.errors import UserError
from edge_sr.graph.model import Graph, Operator, Tensor
from edge_sr.graph.shapes import POINTWISE, Shape

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")

# The input with the bias, which may be an integer; all other integer constants configure.
_BIASES = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3}
# Layers with weights, and which input is their image.
_LAYERS = {
    **dict.fromkeys((*_CONVOLUTIONS, "FULLY_CONNECTED", "BATCH_MATMUL"), 0),
    "TRANSPOSE_CONV": 2,
}
_LIMITS = ("MINIMUM", "MAXIMUM")


def not_integer(graph: Graph, ends: Sequence[str] = ("int8",)) -> list[str]:
    """Return the tensors and operators that are not integer, one text each; empty if none.

    Fully integer: activations and weights are int8 with scale and zero point, biases int32, input
    and output int8, and nothing is float. Constants that configure an operator (paddings) may be
    int32.

    Args:
        graph: the network.
        ends: the types that its inputs and outputs may have.
    """
    biases = {
        operator.inputs[2]
        for operator in graph.operators
        if operator.name in _CONVOLUTIONS and len(operator.inputs) > 2
    }
    problems = []
    for tensor in graph.used():
        allowed = _integer_types(tensor, tensor.index in biases)
        if tensor.index in (*graph.inputs, *graph.outputs):
            allowed = tuple(ends)
        if tensor.dtype not in allowed:
            problems.append(f"{tensor} is {tensor.dtype}, not {' or '.join(allowed)}")
        elif tensor.dtype in ("int8", "uint8") and tensor.quantization is None:
            problems.append(f"{tensor} is {tensor.dtype} without a scale")
    problems += [str(operator) for operator in graph.operators if operator.name == "DEQUANTIZE"]
    return problems


def _integer_types(tensor: Tensor, is_bias: bool) -> tuple[str, ...]:
    if is_bias:
        return ("int32",)
    return ("int8",) if tensor.data is None else ("int8", "int32")


def operators(graph: Graph) -> list[tuple[str, int]]:
    """Return each kind of operator with its version, sorted."""
    return sorted({(operator.name, operator.version) for operator in graph.operators})


def precision(graph: Graph) -> Literal["int8", "float32"]:
    """Return "int8" if a layer with weights takes integers, else "float32".

    Of a network without such layers the input decides.
    """
    dtypes = [
        graph.tensors[operator.inputs[_LAYERS[operator.name]]].dtype
        for operator in graph.operators
        if operator.name in _LAYERS and len(operator.inputs) > _LAYERS[operator.name]
    ]
    dtypes = dtypes or [graph.tensors[graph.inputs[0]].dtype]
    return "float32" if all(dtype.startswith("float") for dtype in dtypes) else "int8"


def ends_in_sigmoid(graph: Graph) -> bool:
    """Whether the output comes from a sigmoid, as in the decoder of a codec."""
    names = [operator.name for operator in graph.operators if operator.name != "QUANTIZE"]
    return names[-1:] == ["LOGISTIC"]


def parameters(graph: Graph) -> int:
    """Count the constants that are learned; shared ones count once for each operator.

    These are weights, biases and slopes; not shapes, axes, paddings and limits, which configure.
    """
    return sum(
        math.prod(graph.tensors[index].shape)
        for operator in graph.operators
        for position, index in enumerate(operator.inputs)
        if index >= 0 and _is_learned(operator, position, graph.tensors[index])
    )


def _is_learned(operator: Operator, position: int, tensor: Tensor) -> bool:
    if tensor.data is None or operator.name in _LIMITS:
        return False
    return _BIASES.get(operator.name) == position or tensor.dtype not in ("int32", "int64", "bool")


def macs(graph: Graph) -> int:
    """Count the multiply-accumulates for one input: of convolutions, dense and matrix products."""
    return sum(_macs(graph, operator) for operator in graph.operators)


def macs_per_pixel(graph: Graph) -> int | float:
    """Count the multiply-accumulates per input pixel."""
    _, height, width, _ = _image_shape(graph.input)
    exact = Fraction(macs(graph), height * width)
    return exact.numerator if exact.denominator == 1 else float(exact)


def _macs(graph: Graph, operator: Operator) -> int:
    shapes = [graph.tensors[index].shape if index >= 0 else () for index in operator.inputs]
    outputs = [graph.tensors[index].shape for index in operator.outputs]
    rule = _MACS.get(operator.name)
    if rule is None or len(shapes) < 2 or not outputs:
        return 0
    return rule(shapes, math.prod(outputs[0]))


_MACS: dict[str, Callable[[Sequence[Shape], int], int]] = {
    "CONV_2D": lambda inputs, values: values * math.prod(inputs[1][1:]),
    "DEPTHWISE_CONV_2D": lambda inputs, values: values * math.prod(inputs[1][1:3]),
    "CONV_3D": lambda inputs, values: values * math.prod(inputs[1][:4]),
    "FULLY_CONNECTED": lambda inputs, values: values * math.prod(inputs[1][-1:]),
    "BATCH_MATMUL": lambda inputs, values: values * math.prod(inputs[0][-1:]),
    # Each input pixel adds to a window of each output channel.
    "TRANSPOSE_CONV": lambda inputs, values: (
        math.prod(inputs[2]) * math.prod(inputs[1][:3]) if len(inputs) > 2 else 0
    ),
}


def scale(graph: Graph) -> int:
    """Return the upscaling factor: height of the output divided by height of the input.

    Raises:
        UserError: the factor is not a whole number, or as in `ratio`.
    """
    factor = ratio(graph)
    if factor.denominator != 1:
        raise UserError(f"the model enlarges by {factor}, which is not a whole number")
    return factor.numerator


def ratio(graph: Graph) -> Fraction:
    """Return the height of the output divided by the height of the input.

    Raises:
        UserError: the graph does not map one image to one image of the same proportions.
    """
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise UserError("an image model has one input and one output")
    _, height, width, _ = _image_shape(graph.input)
    _, out_height, out_width, _ = _image_shape(graph.output)
    if out_height * width != out_width * height:
        raise UserError(
            f"the model maps {height}x{width} to {out_height}x{out_width}, which changes the "
            "proportions"
        )
    return Fraction(out_height, height)


def halo(graph: Graph) -> int:
    """Return the input pixels of context that an output pixel needs on each side.

    A tile computed with that margin (or up to the image's border) is, once the margin is cut off,
    bit-identical to the same part of the whole image. In a network that shrinks images, tiles and
    margins must be multiples of the shrink factor.

    Raises:
        UserError: the graph has an operator whose reach is unknown.
    """
    margins = dict.fromkeys(graph.outputs, 0)
    for operator in reversed(graph.operators):
        needed = max((margins.get(index, 0) for index in operator.outputs), default=0)
        reach = _margin_before(graph, operator, needed)
        for index in operator.inputs:
            margins[index] = max(margins.get(index, 0), reach)
    return margins[graph.input.index]


def is_tiled(graph: Graph) -> bool:
    """Return whether an image can be cut into tiles of any size.

    The reach of each operator must be known, and a stride would divide the sizes of tiles.
    """
    if any(map(_has_strides, graph.operators)):
        return False
    try:
        halo(graph)
    except UserError:
        return False
    return True


def step(graph: Graph) -> int:
    """Return the number of which height and width are multiples where no stride leaves a rest."""
    factors = {graph.input.index: Fraction(1)}
    for operator in graph.operators:
        before = [factors[index] for index in operator.inputs if index in factors]
        if before:
            factors.update(dict.fromkeys(operator.outputs, max(before) * _growth(operator)))
    return math.lcm(*(factor.denominator for factor in factors.values()))


def _growth(operator: Operator) -> Fraction:
    """Height and width of an operator's output, relative to its input's."""
    if operator.name in ("DEPTH_TO_SPACE", "SPACE_TO_DEPTH"):
        block = operator.number("block_size")
        return Fraction(block) if operator.name == "DEPTH_TO_SPACE" else Fraction(1, block)
    if "stride_h" not in operator.options:
        return Fraction(1)
    strides = operator.number("stride_h"), operator.number("stride_w")
    if operator.name == "TRANSPOSE_CONV":
        return Fraction(min(strides))
    return Fraction(1, math.lcm(*strides))


def _margin_before(graph: Graph, operator: Operator, margin: int) -> int:
    """Margin that the inputs need for the outputs to have a margin of `margin` pixels."""
    if operator.name in POINTWISE and _keeps_size(graph, operator):
        return margin
    if operator.name == "DEPTH_TO_SPACE":
        return -(-margin // operator.number("block_size"))
    if operator.name == "SPACE_TO_DEPTH":
        return margin * operator.number("block_size")
    if operator.name in _CONVOLUTIONS and _is_dense(graph, operator):
        kernel = graph.tensors[operator.inputs[1]].shape
        stride = operator.number("stride_h")
        reach = [
            (size - 1) * operator.number(f"dilation_{axis}_factor") + 1 - stride
            for size, axis in zip(kernel[1:3], "hw", strict=True)
        ]
        return margin * stride + max(0, *(-(-steps // 2) for steps in reach))
    raise UserError(f"{operator} cannot be tiled")


def _keeps_size(graph: Graph, operator: Operator) -> bool:
    """Whether input images and output image have the same height and width."""
    images = [graph.tensors[index] for index in (*operator.inputs, *operator.outputs)]
    return len({image.shape[1:3] for image in images if image.data is None}) == 1


def _is_dense(graph: Graph, operator: Operator) -> bool:
    """Whether a convolution has whole strides over its whole input."""
    vertical, horizontal = operator.number("stride_h"), operator.number("stride_w")
    if (vertical, horizontal) == (1, 1):
        return _keeps_size(graph, operator)
    image, output = (graph.tensors[i[0]].shape for i in (operator.inputs, operator.outputs))
    return (
        vertical == horizontal
        and operator.options["padding"] == "SAME"
        and all(image[axis] == output[axis] * vertical for axis in (1, 2))
    )


def _has_strides(operator: Operator) -> bool:
    return any(operator.options.get(f"stride_{axis}", 1) != 1 for axis in "hw")


def _image_shape(tensor: Tensor) -> tuple[int, int, int, int]:
    if len(tensor.shape) != 4:
        raise UserError(f"{tensor} of shape {tensor.shape} is not an image")
    batch, height, width, channels = tensor.shape
    return batch, height, width, channels
