"""Lowers each operator of a graph to kernel calls of a frame plan: one for frames of one size.

Every rule mirrors how TensorFlow Lite Micro prepares the same operator; the tests compare bits.
Rules of operators that work on frames of any size, too, are those of `lower.py`.
"""

import dataclasses

from edge_sr.engine import (
    frame_elementwise,
    frame_gather,
    frame_resize,
    frame_shapes,
    frame_transposed,
    frame_windows,
    lower,
)
from edge_sr.engine.frame_axes import keep_axes
from edge_sr.engine.frame_nodes import (
    MAX_OPERATORS,
    MAX_SIDE,
    FrameNode,
    Image,
    axis_of,
    check_shape,
)
from edge_sr.engine.frame_patterns import join_chains
from edge_sr.engine.lower_tables import TABLE_RULES
from edge_sr.engine.operands import END_TYPES, check_types
from edge_sr.errors import UserError
from edge_sr.graph import Graph, Operator, Tensor, fold, not_integer

MAX_OUTPUTS = 16

_RULES = {
    **frame_windows.RULES,
    **frame_shapes.RULES,
    **frame_gather.RULES,
    **frame_resize.RULES,
    **frame_transposed.RULES,
    **frame_elementwise.RULES,
}


def as_images(graph: Graph) -> Graph:
    """The graph as `lower_frame` takes it: of images alone, without arithmetic with shapes.

    A vector (1, N) becomes an image of one pixel, and (1, W, C) one of one row. Constants stay as
    they are.

    Raises:
        UserError: an operator cannot work on the shapes that it gets.
    """
    graph = join_chains(fold(graph))
    images = tuple(map(_as_image, graph.tensors))
    return keep_axes(dataclasses.replace(graph, tensors=images))


def _as_image(tensor: Tensor) -> Tensor:
    rank = len(tensor.shape)
    if tensor.data is not None or rank not in (2, 3) or tensor.shape[0] != 1:
        return tensor
    shape = (1,) * (4 - rank) + tensor.shape
    return Image(**{**vars(tensor), "shape": shape, "rank": rank})


def lower_frame(graph: Graph) -> list[FrameNode]:
    """The operators that the output depends on, in the graph's order.

    Args:
        graph: as `as_images` gives it.

    Raises:
        UserError: the graph is not fully integer, has several inputs or outputs, or holds an
            unsupported operator; the message names operator and tensor.
    """
    if len(graph.inputs) != 1 or len(graph.outputs) > MAX_OUTPUTS:
        raise UserError(
            f"the model has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs; the "
            f"engine runs models with one input and up to {MAX_OUTPUTS} outputs"
        )
    floats = not_integer(graph, END_TYPES)
    if floats:
        raise UserError(f"the engine runs only int8 models, but {floats[0]}")
    if len(graph.operators) > MAX_OPERATORS:
        raise UserError(
            f"the model has {len(graph.operators)} operators; the engine supports {MAX_OPERATORS}"
        )
    _check_tensor(graph.input, "the model")
    nodes: list[FrameNode] = []
    needed = set(graph.outputs)
    for operator in reversed(graph.operators):
        if needed.intersection(operator.outputs):
            found = [node for node in _lower(graph, operator) if node.output in needed]
            nodes = found + nodes
            needed.update(index for node in found for index in node.inputs)
    computed = {node.output for node in nodes}
    for index in graph.outputs:
        if index not in computed:
            raise UserError(
                f"the model computes nothing for its output {graph.tensors[index]}, which is its "
                "input or a constant"
            )
    return nodes


def _check_tensor(tensor: Tensor, user: str) -> None:
    if len(tensor.shape) != 4 or tensor.shape[0] != 1 or max(tensor.shape) > MAX_SIDE:
        raise UserError(
            f"{user} has {tensor} of shape {tensor.shape}; the engine supports (1, H, W, C), "
            f"(1, W, C) and (1, N) with sides up to {MAX_SIDE}"
        )
    if tensor.quantization is None or len(tensor.quantization.scale) != 1:
        raise UserError(f"{user} has {tensor} with no scale or several; an image needs one scale")


def _lower(graph: Graph, operator: Operator) -> list[FrameNode]:
    """The operator's nodes: one for each output."""
    split = frame_gather.SPLIT_RULES.get(operator.name)
    if split is None and len(operator.outputs) != 1:
        raise UserError(f"{operator} has {len(operator.outputs)} outputs; the engine supports one")
    _check_inputs(operator)
    check_types(graph, operator)
    for index in (*operator.inputs, *operator.outputs):
        if index >= 0 and graph.tensors[index].data is None:
            _check_tensor(graph.tensors[index], str(operator))
    return split(graph, operator) if split is not None else [_lower_one(graph, operator)]


def _lower_one(graph: Graph, operator: Operator) -> FrameNode:
    rule = _RULES.get(operator.name)
    if rule is not None:
        return rule(graph, operator)
    if operator.name not in lower.RULES:
        raise UserError(
            f"the engine does not support {operator} (it computes "
            f"{graph.tensors[operator.outputs[0]]}); it supports {SUPPORTED}"
        )
    if operator.name == "CONCATENATION":
        axis = axis_of(graph.tensors[operator.inputs[0]], operator.number("axis"))
        operator = dataclasses.replace(operator, options={**operator.options, "axis": axis})
    node = lower.RULES[operator.name](graph, operator)
    source, output = graph.tensors[node.inputs[0]], graph.tensors[node.output]
    check_shape(operator, output, _shape_of_streamed(operator, graph, node.inputs, source))
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


# Fewest and most inputs of operators whose inputs the graph's reader does not count.
_INPUTS = {
    **dict.fromkeys(TABLE_RULES, (1, 1)),
    **dict.fromkeys(("ADD", "SUB", "MUL", "MINIMUM", "MAXIMUM"), (2, 2)),
    "FULLY_CONNECTED": (2, 3),
    "AVERAGE_POOL_2D": (1, 1),
    "MAX_POOL_2D": (1, 1),
    "MEAN": (2, 2),
    "REDUCE_MAX": (2, 2),
    "SOFTMAX": (1, 1),
    "RESHAPE": (1, 2),
    "SQUEEZE": (1, 1),
    "TRANSPOSE": (2, 2),
    "EXPAND_DIMS": (2, 2),
    "PADV2": (3, 3),
    "MIRROR_PAD": (2, 2),
    "RESIZE_NEAREST_NEIGHBOR": (2, 2),
    "RESIZE_BILINEAR": (2, 2),
    "SLICE": (3, 3),
    "STRIDED_SLICE": (4, 4),
    "SPLIT": (2, 2),
    "SPLIT_V": (3, 3),
    "TRANSPOSE_CONV": (3, 4),
}

# Operators that the graph's reader accepts without options.
_WITH_OPTIONS = (
    *("AVERAGE_POOL_2D", "MAX_POOL_2D", "FULLY_CONNECTED", "SOFTMAX"),
    *("RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR", "STRIDED_SLICE", "MIRROR_PAD"),
    "TRANSPOSE_CONV",
)

OPERATORS = frozenset({*_RULES, *frame_gather.SPLIT_RULES, *lower.RULES})
SUPPORTED = ", ".join(sorted(OPERATORS))
