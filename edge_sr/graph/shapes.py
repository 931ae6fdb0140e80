"""Computes the output shape of each operator, to check a file and to change its image size."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from edge_sr.graph.model import Graph, Operator

Shape = tuple[int, ...]


class ShapeError(ValueError):
    """An operator cannot work on the shapes of its inputs; the text says why."""


def output_shapes(graph: Graph, operator: Operator, shapes: Sequence[Shape]) -> list[Shape] | None:
    """Return the shapes of the operator's outputs, or None where they are not known.

    They are not known of other operators than those of this module, and where they depend on
    values that are computed.

    Args:
        graph: of the operator.
        operator: an operator of the graph.
        shapes: of all tensors, by index.

    Raises:
        ShapeError: the operator cannot work on these shapes.
    """
    rule = _RULES.get(operator.name)
    if rule is None:
        return None
    fewest, most, infer = rule
    if not fewest <= len(operator.inputs) <= most or len(operator.outputs) != 1:
        raise ShapeError(f"{operator} has {len(operator.inputs)} inputs")
    if -1 in operator.inputs[:fewest]:
        raise ShapeError(f"{operator} lacks an input")
    shape = infer(graph, operator, [shapes[i] if i >= 0 else () for i in operator.inputs])
    return None if shape is None else [shape]


def _window(size: int, kernel: int, stride: int, dilation: int, padding: object) -> int:
    if padding == "SAME":
        return -(-size // stride)
    return -(-(size - (kernel - 1) * dilation) // stride)


def _convolution(operator: Operator, image: Shape, kernel: Shape, channels: int) -> Shape:
    """Output shape (NHWC) of a kernel of shape (_, height, width, _) on an NHWC image."""
    strides = [operator.number(f"stride_{axis}") for axis in "hw"]
    dilations = [operator.number(f"dilation_{axis}_factor") for axis in "hw"]
    if not all(1 <= value <= 1024 for value in strides + dilations):
        raise ShapeError(f"{operator} has stride {strides} and dilation {dilations}")
    size = [
        _window(
            image[axis],
            kernel[axis],
            strides[axis - 1],
            dilations[axis - 1],
            operator.options["padding"],
        )
        for axis in (1, 2)
    ]
    if min(size) < 1:
        raise ShapeError(f"{operator} has a kernel larger than its image {image}")
    return (image[0], *size, channels)


def _check_bias(operator: Operator, shapes: Sequence[Shape], channels: int) -> None:
    if len(shapes) == 3 and operator.inputs[2] != -1 and math.prod(shapes[2]) != channels:
        raise ShapeError(f"{operator} has {channels} channels and a bias of shape {shapes[2]}")


def _conv_2d(graph: Graph, operator: Operator, shapes: Sequence[Shape]) -> Shape:
    image, kernel = shapes[:2]
    if len(image) != 4 or len(kernel) != 4 or image[3] % kernel[3]:
        raise ShapeError(f"{operator} has an image of shape {image} and a kernel of {kernel}")
    if kernel[0] % (image[3] // kernel[3]):
        raise ShapeError(f"{operator} has {kernel[0]} kernels for {image[3] // kernel[3]} groups")
    _check_bias(operator, shapes, kernel[0])
    return _convolution(operator, image, kernel, kernel[0])


def _depthwise(graph: Graph, operator: Operator, shapes: Sequence[Shape]) -> Shape:
    image, kernel = shapes[:2]
    multiplier = operator.number("depth_multiplier")
    if len(image) != 4 or len(kernel) != 4 or kernel[3] != image[3] * multiplier:
        raise ShapeError(f"{operator} has an image of shape {image} and a kernel of {kernel}")
    _check_bias(operator, shapes, kernel[3])
    return _convolution(operator, image, kernel, kernel[3])


def _block_size(operator: Operator, image: Shape) -> int:
    block = operator.number("block_size")
    if len(image) != 4 or not 1 <= block <= 64:
        raise ShapeError(f"{operator} has block size {block} and an image of shape {image}")
    return block


def _depth_to_space(graph: Graph, operator: Operator, shapes: Sequence[Shape]) -> Shape:
    block = _block_size(operator, shapes[0])
    batch, height, width, channels = shapes[0]
    if channels % block**2:
        raise ShapeError(f"{operator} cannot split {channels} channels into {block}x{block}")
    return (batch, height * block, width * block, channels // block**2)


def _space_to_depth(graph: Graph, operator: Operator, shapes: Sequence[Shape]) -> Shape:
    block = _block_size(operator, shapes[0])
    batch, height, width, channels = shapes[0]
    if height % block or width % block:
        raise ShapeError(f"{operator} cannot split {height}x{width} into {block}x{block}")
    return (batch, height // block, width // block, channels * block**2)


def _same(graph: Graph, operator: Operator, shapes: Sequence[Shape]) -> Shape:
    return shapes[0]


def _broadcast(graph: Graph, operator: Operator, shapes: Sequence[Shape]) -> Shape:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(f"{operator} cannot combine the shapes {list(shapes)}") from None


def _prelu(graph: Graph, operator: Operator, shapes: Sequence[Shape]) -> Shape:
    result = _broadcast(graph, operator, shapes)
    if result != shapes[0]:
        raise ShapeError(f"{operator} has slopes of shape {shapes[1]} for {shapes[0]}")
    return result


def _concatenation(graph: Graph, operator: Operator, shapes: Sequence[Shape]) -> Shape:
    rank, axis = len(shapes[0]), operator.number("axis")
    if not -rank <= axis < rank or any(len(shape) != rank for shape in shapes):
        raise ShapeError(f"{operator} cannot concatenate {list(shapes)} along axis {axis}")
    axis %= rank
    if len({shape[:axis] + shape[axis + 1 :] for shape in shapes}) != 1:
        raise ShapeError(f"{operator} cannot concatenate {list(shapes)} along axis {axis}")
    total = sum(shape[axis] for shape in shapes)
    return (*shapes[0][:axis], total, *shapes[0][axis + 1 :])


def _constant(graph: Graph, operator: Operator, position: int, shape: Shape) -> np.ndarray:
    tensor = graph.tensors[operator.inputs[position]]
    if tensor.data is None or tensor.dtype not in ("int32", "int64") or tensor.shape != shape:
        raise ShapeError(f"{operator} needs {tensor} as constant integers of shape {shape}")
    return tensor.data.astype(np.int64)


def _pad(graph: Graph, operator: Operator, shapes: Sequence[Shape]) -> Shape:
    rank = len(shapes[0])
    margins = _constant(graph, operator, 1, (rank, 2))
    if margins.min(initial=0) < 0 or margins.max(initial=0) > 1024:
        raise ShapeError(f"{operator} pads by {margins.tolist()}")
    return tuple(size + int(sum(margins[axis])) for axis, size in enumerate(shapes[0]))


def _tile(graph: Graph, operator: Operator, shapes: Sequence[Shape]) -> Shape:
    repeats = _constant(graph, operator, 1, (len(shapes[0]),))
    if repeats.min(initial=1) < 1 or repeats.max(initial=1) > 1024:
        raise ShapeError(f"{operator} repeats by {repeats.tolist()}")
    return tuple(size * int(count) for size, count in zip(shapes[0], repeats, strict=True))


def _integers(graph: Graph, operator: Operator, position: int) -> list[int] | None:
    """The values of an input of at most one axis, or None if they are not constant integers."""
    index = operator.inputs[position]
    data = graph.tensors[index].data if index >= 0 else None
    if data is None or data.dtype not in (np.int32, np.int64) or data.ndim > 1:
        return None
    return [int(value) for value in data.ravel()]


def _reshape(graph: Graph, operator: Operator, shapes: Sequence[Shape]) -> Shape | None:
    wanted = _integers(graph, operator, 1) if len(shapes) == 2 else None
    if wanted is None:
        return None
    count, known = math.prod(shapes[0]), math.prod(size for size in wanted if size != -1)
    if min(wanted, default=1) < -1 or wanted.count(-1) > 1:
        raise ShapeError(f"{operator} makes the shape {wanted}")
    if -1 in wanted and known > 0 and count % known == 0:
        wanted[wanted.index(-1)] = count // known
    if math.prod(wanted) != count:
        raise ShapeError(f"{operator} cannot make {wanted} of {shapes[0]}")
    return tuple(wanted)


def _expand_dims(graph: Graph, operator: Operator, shapes: Sequence[Shape]) -> Shape | None:
    axes = _integers(graph, operator, 1)
    if axes is None:
        return None
    rank = len(shapes[0])
    if len(axes) != 1 or not -rank - 1 <= axes[0] <= rank:
        raise ShapeError(f"{operator} adds the axes {axes} to {shapes[0]}")
    axis = axes[0] % (rank + 1)
    return (*shapes[0][:axis], 1, *shapes[0][axis:])


def _transpose_conv(graph: Graph, operator: Operator, shapes: Sequence[Shape]) -> Shape | None:
    """The output's shape is the first input; kernels and image are checked by their users."""
    wanted = _integers(graph, operator, 0)
    if wanted is not None and (len(wanted) != 4 or min(wanted) < 1):
        raise ShapeError(f"{operator} makes the shape {wanted}")
    return None if wanted is None else tuple(wanted)


_Rule = Callable[[Graph, Operator, Sequence[Shape]], Shape | None]

_ACTIVATIONS = (
    *("RELU", "RELU6", "RELU_N1_TO_1", "LEAKY_RELU", "LOGISTIC", "TANH", "HARD_SWISH"),
    *("ABS", "ELU", "RSQRT", "QUANTIZE", "DEQUANTIZE"),
)
_COMBINATIONS = ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM")

# Fewest inputs, most inputs, rule.
_RULES: dict[str, tuple[int, int, _Rule]] = {
    "CONV_2D": (2, 3, _conv_2d),
    "DEPTHWISE_CONV_2D": (2, 3, _depthwise),
    "DEPTH_TO_SPACE": (1, 1, _depth_to_space),
    "SPACE_TO_DEPTH": (1, 1, _space_to_depth),
    "PRELU": (2, 2, _prelu),
    "CONCATENATION": (1, 64, _concatenation),
    "PAD": (2, 2, _pad),
    "TILE": (2, 2, _tile),
    "RESHAPE": (1, 2, _reshape),
    "EXPAND_DIMS": (2, 2, _expand_dims),
    "TRANSPOSE_CONV": (3, 4, _transpose_conv),
    **dict.fromkeys(_ACTIVATIONS, (1, 1, _same)),
    **dict.fromkeys(_COMBINATIONS, (2, 2, _broadcast)),
}

# Operators that work on each pixel separately if height and width stay the same.
POINTWISE = frozenset((*_ACTIVATIONS, *_COMBINATIONS, "PRELU", "CONCATENATION", "TILE"))
