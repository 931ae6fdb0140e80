"""What a network does and costs, computed from its graph."""

import math
from fractions import Fraction

from edge_sr.errors import UserError
from edge_sr.graph.model import Graph, Operator, Tensor
from edge_sr.graph.shapes import POINTWISE

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


def not_integer(graph: Graph) -> list[str]:
    """What keeps the graph from being fully integer, each tensor or operator as one text.

    Fully integer: activations and weights int8 with scale and zero point, biases int32, int8 in
    and out, nothing float anywhere. Constants that steer an operator (paddings) may be int32.
    An empty list means that all of this holds.
    """
    biases = {
        operator.inputs[2]
        for operator in graph.operators
        if operator.name in _CONVOLUTIONS and len(operator.inputs) > 2
    }
    found = []
    for tensor in graph.tensors:
        wanted = _wanted_types(tensor, tensor.index in biases)
        if tensor.dtype not in wanted:
            found.append(f"{tensor} is {tensor.dtype}, not {' or '.join(wanted)}")
        elif tensor.dtype == "int8" and tensor.quantization is None:
            found.append(f"{tensor} is int8 without a scale")
    found += [str(operator) for operator in graph.operators if operator.name == "DEQUANTIZE"]
    return found


def _wanted_types(tensor: Tensor, is_bias: bool) -> tuple[str, ...]:
    if is_bias:
        return ("int32",)
    return ("int8",) if tensor.data is None else ("int8", "int32")


def operators(graph: Graph) -> list[tuple[str, int]]:
    """Each kind of operator with its version, sorted."""
    return sorted({(operator.name, operator.version) for operator in graph.operators})


def ends_in_sigmoid(graph: Graph) -> bool:
    """Whether a sigmoid makes the output, as in the decoder of a codec."""
    names = [operator.name for operator in graph.operators if operator.name != "QUANTIZE"]
    return names[-1:] == ["LOGISTIC"]


def parameters(graph: Graph) -> int:
    """Weights, biases and PReLU slopes; what two operators share counts for each of them."""
    learned = [
        graph.tensors[index]
        for operator in graph.operators
        if operator.name in (*_CONVOLUTIONS, "PRELU")
        for index in operator.inputs[1:]
        if index >= 0
    ]
    return sum(math.prod(tensor.shape) for tensor in learned)


def macs(graph: Graph) -> int:
    """Multiply-accumulates of all convolutions for one image of the graph's input size."""
    return sum(_macs(graph, operator) for operator in graph.operators)


def macs_per_pixel(graph: Graph) -> int | float:
    """Multiply-accumulates of all convolutions per low-resolution (input) pixel."""
    _, height, width, _ = _image_shape(graph.input)
    exact = Fraction(macs(graph), height * width)
    return exact.numerator if exact.denominator == 1 else float(exact)


def _macs(graph: Graph, operator: Operator) -> int:
    if operator.name not in _CONVOLUTIONS:
        return 0
    kernel = graph.tensors[operator.inputs[1]].shape
    _, height, width, channels = graph.tensors[operator.outputs[0]].shape
    per_value = math.prod(kernel[1:]) if operator.name == "CONV_2D" else math.prod(kernel[1:3])
    return height * width * channels * per_value


def scale(graph: Graph) -> int:
    """How many times larger the output image is than the input, along each side.

    Raises:
        UserError: the graph does not enlarge an image by a whole number.
    """
    found = ratio(graph)
    if found.denominator != 1:
        raise UserError(f"the model enlarges by {found}, which is no enlargement by a whole number")
    return found.numerator


def ratio(graph: Graph) -> Fraction:
    """How many times larger the output image is than the input, along each side.

    Raises:
        UserError: the graph does not turn one image into one of the same proportions.
    """
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise UserError("a model of images has one input and one output")
    _, height, width, _ = _image_shape(graph.input)
    _, tall, wide, _ = _image_shape(graph.output)
    if tall * width != wide * height:
        raise UserError(
            f"the model turns {height}x{width} into {tall}x{wide}, which is no enlargement"
        )
    return Fraction(tall, height)


def halo(graph: Graph) -> int:
    """Input pixels of context that an output needs on each side of its own pixel.

    A tile computed with that margin (or up to the image's border) has, once the margin is cut
    away, the bits that the whole image would have given. Of a network that shrinks images, tiles
    and margins are multiples of how much.

    Raises:
        UserError: an operator's reach is not known.
    """
    margins = dict.fromkeys(graph.outputs, 0)
    for operator in reversed(graph.operators):
        wanted = max((margins.get(index, 0) for index in operator.outputs), default=0)
        reach = _margin_before(graph, operator, wanted)
        for index in operator.inputs:
            margins[index] = max(margins.get(index, 0), reach)
    return margins[graph.input.index]


def _margin_before(graph: Graph, operator: Operator, margin: int) -> int:
    """Margin that the inputs need for the outputs to be right with `margin` pixels around."""
    if operator.name in POINTWISE and _keeps_size(graph, operator):
        return margin
    if operator.name == "DEPTH_TO_SPACE":
        return -(-margin // operator.number("block_size"))
    if operator.name == "SPACE_TO_DEPTH":
        return margin * operator.number("block_size")
    if operator.name in _CONVOLUTIONS and _is_dense(graph, operator):
        kernel = graph.tensors[operator.inputs[1]].shape
        reach = [
            (size - 1) * operator.number(f"dilation_{axis}_factor")
            for size, axis in zip(kernel[1:3], "hw", strict=True)
        ]
        return margin + max(-(-steps // 2) for steps in reach)
    raise UserError(f"{operator} cannot be cut into tiles")


def _keeps_size(graph: Graph, operator: Operator) -> bool:
    """Whether the images that go in are as high and wide as the one that comes out."""
    images = [graph.tensors[index] for index in (*operator.inputs, *operator.outputs)]
    return len({image.shape[1:3] for image in images if image.data is None}) == 1


def _is_dense(graph: Graph, operator: Operator) -> bool:
    strides = operator.number("stride_h"), operator.number("stride_w")
    return strides == (1, 1) and _keeps_size(graph, operator)


def _image_shape(tensor: Tensor) -> tuple[int, int, int, int]:
    if len(tensor.shape) != 4:
        raise UserError(f"{tensor} of shape {tensor.shape} is not an image")
    batch, height, width, channels = tensor.shape
    return batch, height, width, channels
