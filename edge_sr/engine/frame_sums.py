"""Splits a pooling into two operators, so that no more than a row of its input must be kept.

The first one adds each row of the input to the sums (or maxima) of the rows above it; the second
one makes the output of the sums of a whole window. This takes less memory where windows are high,
as those that cover a whole map; windows that overlap would need several sums and are left alone.
"""

import dataclasses
from collections.abc import Collection, Sequence

from edge_sr.engine.frame_nodes import MAX_SIDE, MAX_WINDOW, FrameNode
from edge_sr.engine.nodes import KernelCall, Kind
from edge_sr.graph import Graph, Tensor

_FINISH = {
    Kind.AVERAGE_POOL: Kind.AVERAGE_SUMS,
    Kind.MEAN: Kind.MEAN_SUMS,
    Kind.MAX_POOL: Kind.LAST_MAX,
}

_SUM_BYTES = 4  # of an int32


def splittable(graph: Graph, nodes: Sequence[FrameNode]) -> list[int]:
    """The outputs of poolings that can be split: of high windows that do not overlap."""
    return [node.output for node in nodes if _can_split(graph, node)]


def _can_split(graph: Graph, node: FrameNode) -> bool:
    (call, *_) = node.calls
    if call.kind not in _FINISH:
        return False
    image, output = graph.tensors[call.source], graph.tensors[call.target]
    (height, width), (stride, _) = _window(graph, call)
    return (
        1 < height <= min(stride, MAX_WINDOW)
        and width <= MAX_WINDOW
        and image.shape[3] == output.shape[3] <= MAX_SIDE // _SUM_BYTES
    )


def _window(graph: Graph, call: KernelCall) -> tuple[tuple[int, int], tuple[int, int]]:
    """Kernel and strides of a pooling; a single window is as far as possible from the next one."""
    image, output = graph.tensors[call.source], graph.tensors[call.target]
    stride = (MAX_WINDOW if output.shape[1] == 1 else call.stride[0], call.stride[1])
    if call.kind != Kind.MEAN:
        return call.kernel, stride
    all_rows, all_columns = (output.shape[axis] == 1 for axis in (1, 2))
    return (image.shape[1] if all_rows else 1, image.shape[2] if all_columns else 1), stride


def split_pools(
    graph: Graph, nodes: Sequence[FrameNode], outputs: Collection[int]
) -> tuple[Graph, list[FrameNode]]:
    """The graph with a tensor of sums for each of these poolings, and the operators.

    Args:
        graph: as `as_images` gives it.
        nodes: as `lower_frame` gives them.
        outputs: some of those of `splittable`.
    """
    tensors, split = list(graph.tensors), list[FrameNode]()
    for node in nodes:
        if node.output not in outputs:
            split.append(node)
            continue
        sums = _tensor_of_sums(graph, node, len(tensors))
        tensors.append(sums)
        split += _split(graph, node, sums.index)
    return dataclasses.replace(graph, tensors=tuple(tensors)), split


def _tensor_of_sums(graph: Graph, node: FrameNode, index: int) -> Tensor:
    """A tensor of a row of sums or maxima per row of the pooling's input."""
    (call,) = node.calls
    image, output = graph.tensors[call.source], graph.tensors[call.target]
    values = output.shape[3] * (1 if call.kind == Kind.MAX_POOL else _SUM_BYTES)
    shape = (1, image.shape[1], output.shape[2], values)
    name = f"rows of {image.name}, pooled"
    return dataclasses.replace(image, index=index, name=name, shape=shape, open_axes=())


def _split(graph: Graph, node: FrameNode, sums: int) -> tuple[FrameNode, FrameNode]:
    (call,) = node.calls
    image = graph.tensors[call.source]
    kernel, strides = _window(graph, call)
    height, stride, top = kernel[0], strides[0], call.padding[0]
    collect = dataclasses.replace(
        call,
        kind=Kind.MAX_ROWS if call.kind == Kind.MAX_POOL else Kind.SUM_ROWS,
        target=sums,
        kernel=kernel,
        stride=strides,
        scales=b"",
    )
    finish = dataclasses.replace(
        call,
        kind=_FINISH[call.kind],
        source=sums,
        kernel=kernel,
        stride=strides,
        extra=call.extra if call.kind == Kind.MEAN else image.shape[2],
    )

    def last(row: int) -> range:
        row = min(row * stride - top + height, image.shape[1]) - 1
        return range(row, row + 1)

    return (
        FrameNode(
            f"{node.label} (rows)",
            node.inputs,
            sums,
            (collect,),
            lambda row: range(row, row + 1),
            resumes=lambda row: row > 0 and (row + top) % stride != 0,
        ),
        FrameNode(node.label, (sums,), node.output, (finish,), last),
    )
