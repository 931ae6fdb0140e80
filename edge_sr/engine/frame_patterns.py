"""Joins chains of operators that are one operator, for `frame_lower.py`.

- EXPAND_DIMS, TILE and RESHAPE, which converters write for nearest-neighbour upsampling along one
  axis, become RESIZE_NEAREST_NEIGHBOR.
- SPACE_TO_BATCH_ND, a convolution and BATCH_TO_SPACE_ND, which converters write for a dilated
  convolution, become that convolution.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_sr.graph import Graph, Operator, Tensor


@dataclass(frozen=True)
class ExplicitPadding:
    """The option "explicit" of a convolution that is neither SAME nor VALID.

    Attributes:
        before: rows of padding above the image, columns left of it.
        size: height and width of the output.
    """

    before: tuple[int, int]
    size: tuple[int, int]


def join_chains(graph: Graph) -> Graph:
    """The graph with each chain replaced by one operator, in the place of the chain's first."""
    tensors = list(graph.tensors)
    operators: list[Operator] = []
    for chain in _chains(graph):
        repeat = _repeat(graph, chain)
        if repeat is not None:
            source, target, size = repeat
            index = len(tensors)
            tensors.append(
                Tensor(index, f"size of {target.name}", (2,), "int32", None, np.array(size, "i4"))
            )
            operators.append(_nearest(chain[-1], source.index, index, target.index))
        else:
            dilated = _dilated(graph, chain)
            operators += chain if dilated is None else [dilated]
    return dataclasses.replace(graph, tensors=tuple(tensors), operators=tuple(operators))


_CHAINS = (
    (("EXPAND_DIMS", "RESHAPE"), ("TILE",), ("RESHAPE",)),
    (("SPACE_TO_BATCH_ND",), ("CONV_2D", "DEPTHWISE_CONV_2D"), ("BATCH_TO_SPACE_ND",)),
)


def _chains(graph: Graph) -> list[list[Operator]]:
    """All operators; those of a chain, whose tensors nothing else reads, are together."""
    reads = [index for operator in graph.operators for index in operator.inputs]
    reads += graph.outputs
    readers = {operator.inputs[0]: operator for operator in graph.operators if operator.inputs}
    chains, done = [], set[int]()
    for operator in graph.operators:
        if operator.index in done:
            continue
        chain = [operator]
        while len(chain) < 3 and reads.count(chain[-1].outputs[0]) == 1:
            follower = readers.get(chain[-1].outputs[0])
            if follower is None:
                break
            chain.append(follower)
        names = [link.name for link in chain]
        whole = any(
            len(names) == 3 and all(name in step for name, step in zip(names, steps, strict=True))
            for steps in _CHAINS
        )
        chain = chain if whole else [operator]
        done.update(link.index for link in chain)
        chains.append(chain)
    return chains


def _constant(graph: Graph, operator: Operator, position: int) -> list[int] | None:
    """The values of a constant input, or None."""
    if len(operator.inputs) <= position or operator.inputs[position] < 0:
        return None
    data = graph.tensors[operator.inputs[position]].data
    return None if data is None or data.size > 8 else [int(value) for value in data.ravel()]


def _repeat(graph: Graph, chain: Sequence[Operator]) -> tuple[Tensor, Tensor, list[int]] | None:
    """Source, target and new height and width, if a chain repeats each row or each column."""
    if len(chain) != 3 or chain[1].name != "TILE":
        return None
    source = graph.tensors[chain[0].inputs[0]]
    apart = graph.tensors[chain[0].outputs[0]].shape
    target = graph.tensors[chain[2].outputs[0]]
    counts = _constant(graph, chain[1], 1)
    if counts is None or len(source.shape) != 4 or len(counts) != 5 or len(target.shape) != 4:
        return None
    axes = [axis for axis, count in enumerate(counts) if count != 1]
    if len(axes) != 1 or axes[0] not in (2, 3) or source.quantization != target.quantization:
        return None
    axis, size = axes[0], list(source.shape)
    if apart != (*size[:axis], 1, *size[axis:]):
        return None
    size[axis - 1] *= counts[axis]
    return (source, target, size[1:3]) if target.shape == tuple(size) else None


def _nearest(last: Operator, source: int, size: int, target: int) -> Operator:
    return Operator(
        last.index,
        "RESIZE_NEAREST_NEIGHBOR",
        1,
        (source, size),
        (target,),
        {"align_corners": False, "half_pixel_centers": False},
    )


def _dilated(graph: Graph, chain: Sequence[Operator]) -> Operator | None:
    """The convolution with dilation that a chain is, with the padding in its options."""
    if len(chain) != 3 or chain[0].name != "SPACE_TO_BATCH_ND":
        return None
    split, conv, join = chain
    blocks, margins = _constant(graph, split, 1), _constant(graph, split, 2)
    same, crops = _constant(graph, join, 1), _constant(graph, join, 2)
    image, output = graph.tensors[split.inputs[0]], graph.tensors[join.outputs[0]]
    inside, outside = (graph.tensors[link.outputs[0]] for link in (split, conv))
    if blocks is None or blocks != same or len(blocks) != 2 or min(blocks) < 1:
        return None
    if margins is None or crops is None or len(margins) != 4 or len(crops) != 4:
        return None
    plain = conv.options["padding"] == "VALID" and all(
        conv.number(name) == 1
        for name in ("stride_h", "stride_w", "dilation_h_factor", "dilation_w_factor")
    )
    if not plain or crops[0] or crops[2] or min(margins) < 0:
        return None
    if image.quantization != inside.quantization or output.quantization != outside.quantization:
        return None
    kernel = graph.tensors[conv.inputs[1]].shape
    if not len(image.shape) == len(output.shape) == len(kernel) == 4:
        return None
    for axis, block in enumerate(blocks, start=1):
        before, after = margins[2 * axis - 2 : 2 * axis]
        padded = before + image.shape[axis] + after
        size = padded - (kernel[axis] - 1) * block - crops[2 * axis - 1]
        if padded % block or output.shape[axis] != size or size < 1:
            return None
    options = {
        **conv.options,
        "dilation_h_factor": blocks[0],
        "dilation_w_factor": blocks[1],
        "explicit": ExplicitPadding((margins[0], margins[2]), (output.shape[1], output.shape[2])),
    }
    inputs = (image.index, *conv.inputs[1:])
    return dataclasses.replace(conv, inputs=inputs, outputs=(output.index,), options=options)
