"""The engine's view of a network at one size: operators with the rows that each row reads."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from edge_sr.engine.nodes import KernelCall
from edge_sr.errors import UserError
from edge_sr.graph import Graph, Operator, Tensor

MAX_SIDE = 65535
"""The most rows, columns or channels of a tensor, padding included."""

MAX_OPERATORS = 1024
"""The most operators of a graph; planning takes seconds for so many."""

MAX_WINDOW = 1024
"""The largest kernel, stride and dilation."""

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
        resumes: whether an output row is computed from the one above it, too.
        turn: None, or the calls take turns: row r is computed by call (r + turn) modulo their
            number alone.
        spread: inputs of one row, which every output row reads.
    """

    label: str
    inputs: tuple[int, ...]
    output: int
    calls: tuple[KernelCall, ...]
    rows: Rows
    columns: tuple[int, int] = (0, 0)
    in_place: tuple[int, ...] = ()
    resumes: Callable[[int], bool] = lambda row: False
    turn: int | None = None
    spread: tuple[int, ...] = ()

    def calls_of(self, row: int) -> range:
        """The positions of the calls that compute a row."""
        if self.turn is None:
            return range(len(self.calls))
        call = (row + self.turn) % len(self.calls)
        return range(call, call + 1)

    def rows_of(self, source: int, row: int) -> range:
        """The rows of an input that an output row reads."""
        return range(1) if source in self.spread else self.rows(row)


Rule = Callable[[Graph, Operator], FrameNode]
"""Lowers an operator; raises a UserError that names operator and tensor."""

SplitRule = Callable[[Graph, Operator], list[FrameNode]]
"""Lowers an operator of several outputs to one node for each."""


@dataclass(frozen=True, eq=False)
class Image(Tensor):
    """A tensor of fewer axes as an image (1, H, W, C); the file has only the last `rank` axes."""

    rank: int = 4


def axis_of(tensor: Tensor, axis: int) -> int:
    """The axis of the image (1, H, W, C) that is an axis of the tensor in the file.

    Raises:
        UserError: the tensor has no such axis.
    """
    rank = tensor.rank if isinstance(tensor, Image) else 4
    if not -rank <= axis < rank:
        raise UserError(f"{tensor} has no axis {axis}")
    return axis % rank + 4 - rank


def check_shape(operator: Operator, output: Tensor, shape: tuple[int, ...]) -> None:
    """Refuse an output that the file declares with another shape.

    Raises:
        UserError: the shapes differ.
    """
    if output.shape != shape:
        raise UserError(
            f"{operator} declares {output} of shape {output.shape}, but computes {shape}"
        )


def padding_of(
    graph: Graph, nodes: list[FrameNode], tensors: tuple[int, ...]
) -> tuple[int, int, int, int]:
    """Rows above and below the frames of tensors, columns left and right, that nodes read."""
    top = bottom = left = right = 0
    for node, source in itertools.product(nodes, tensors):
        if source in node.inputs:
            height, last = graph.tensors[source].shape[1], graph.tensors[node.output].shape[1] - 1
            first_rows, last_rows = node.rows_of(source, 0), node.rows_of(source, last)
            top = max(top, -min(0, *first_rows) if first_rows else 0)
            bottom = max(bottom, last_rows.stop - height if last_rows else 0)
            left, right = max(left, node.columns[0]), max(right, node.columns[1])
    return top, bottom, left, right
