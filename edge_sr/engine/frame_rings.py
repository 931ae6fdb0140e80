"""Sizes the ring buffers of a frame plan: which tensors share one, how many rows it holds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from edge_sr.engine.frame_nodes import FrameNode, padding_of
from edge_sr.engine.frame_schedule import FrameSchedule, output_of
from edge_sr.engine.operands import padding_value
from edge_sr.engine.schedule import INPUT, Event
from edge_sr.graph import Graph

Padding = tuple[int, int, int, int]
"""Rows above and below a frame, columns left and right of it."""

_Lives = dict[int, tuple[int, int]]
"""For each row, the event that writes it and the last one that reads it."""


@dataclass(frozen=True)
class FrameRing:
    """A ring buffer of rows in the arena.

    Attributes:
        tensors: indices of the graph's tensors that live here, one after the other.
        names: the names of these tensors.
        height: rows of the frame.
        width: pixels of a row.
        channels: channels of a pixel.
        rows: slots of the ring.
        padding: rows above and below the frame, columns left and right, that kernels read.
        zero_point: the value of all padding.
        offset: the first byte, counted from the end of the arena's head.
        spans: the first and the last event of each time in which the ring holds a live row.
    """

    tensors: tuple[int, ...]
    names: tuple[str, ...]
    height: int
    width: int
    channels: int
    rows: int
    padding: Padding
    zero_point: int
    offset: int
    spans: tuple[tuple[int, int], ...]

    @property
    def stride(self) -> int:
        """Bytes from slot to slot."""
        _, _, left, right = self.padding
        return -(-(left + self.width + right) * self.channels // 4) * 4

    @property
    def life(self) -> tuple[int, int]:
        """The first and the last event that uses the ring."""
        return self.spans[0][0], self.spans[-1][1]

    @property
    def size(self) -> int:
        """Bytes of all slots."""
        return self.rows * self.stride


def owners_of(graph: Graph, nodes: Sequence[FrameNode]) -> dict[int, int]:
    """For each tensor, the last tensor of the chain that shares its ring."""
    reads = [source for node in nodes for source in node.inputs] + [*graph.outputs]
    owners: dict[int, int] = {}
    for node in reversed(nodes):
        owner = owners.setdefault(node.output, node.output)
        free = [source for source in node.in_place if reads.count(source) == 1]
        if free:
            owners[free[0]] = owner
    return {graph.input.index: graph.input.index, **owners}


def paddings_of(
    graph: Graph, nodes: Sequence[FrameNode], owners: Mapping[int, int]
) -> dict[int, Padding]:
    """The padding of each tensor's ring: rows above and below, columns left and right."""
    chains = {
        owner: tuple(tensor for tensor in owners if owners[tensor] == owner)
        for owner in set(owners.values())
    }
    paddings = {owner: padding_of(graph, list(nodes), chain) for owner, chain in chains.items()}
    return {tensor: paddings[owner] for tensor, owner in owners.items()}


def size_rings(
    graph: Graph,
    nodes: Sequence[FrameNode],
    schedule: FrameSchedule,
    owners: Mapping[int, int],
    paddings: Mapping[int, Padding],
) -> list[FrameRing]:
    """The rings in the order of their owners, all at offset 0."""
    resumed = {owners[node.output]: node.resumes for node in nodes}
    return [
        FrameRing(
            tensors=tuple(tensor for tensor in owners if owners[tensor] == owner),
            names=tuple(graph.tensors[tensor].name for tensor in owners if owners[tensor] == owner),
            height=graph.tensors[owner].shape[1],
            width=graph.tensors[owner].shape[2],
            channels=graph.tensors[owner].shape[3],
            rows=_rows_at_once(lives),
            padding=paddings[owner],
            zero_point=padding_value(graph.tensors[owner]),
            offset=0,
            spans=_spans(lives, resumed.get(owner)),
        )
        for owner, lives in sorted(_lives(graph, nodes, schedule, owners).items())
    ]


def _lives(
    graph: Graph, nodes: Sequence[FrameNode], schedule: FrameSchedule, owners: Mapping[int, int]
) -> dict[int, _Lives]:
    """The lives of each ring's rows, by the ring's owner."""
    lives: dict[int, _Lives] = {owner: {} for owner in owners.values()}
    for time, event in enumerate(schedule.events):
        for tensor, rows in used_rows(graph, nodes, event):
            ring = lives[owners[tensor]]
            for row in rows:
                ring[row] = (ring.get(row, (time,))[0], time)
    return lives


def _spans(lives: _Lives, resumes: Callable[[int], bool] | None) -> tuple[tuple[int, int], ...]:
    """The times in which at least one row is live."""
    spans: list[tuple[int, int]] = []
    for row, (first, last) in sorted(lives.items(), key=lambda item: item[1]):
        if resumes is not None and resumes(row):
            first = lives[row - 1][1]
        if spans and first <= spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], max(last, spans[-1][1]))
        else:
            spans.append((first, last))
    return tuple(spans)


def used_rows(
    graph: Graph, nodes: Sequence[FrameNode], event: Event
) -> Iterator[tuple[int, Sequence[int]]]:
    """Tensors, each with the rows that an event reads or writes; the written one comes last."""
    output = output_of(event)
    if event.action == INPUT:
        yield graph.input.index, (event.row,)
    elif output is not None:
        yield graph.outputs[output], (event.row,)
    else:
        node = nodes[event.action]
        if 0 <= event.row < graph.tensors[node.output].shape[1]:
            for source in node.inputs:
                yield source, node.rows_of(source, event.row)
        yield node.output, (event.row,)


def _rows_at_once(lives: _Lives) -> int:
    """The largest number of rows from the oldest live one to the newest."""
    oldest, most = min(lives), 0
    for row in sorted(lives):
        while lives[oldest][1] < lives[row][0]:
            oldest += 1
        most = max(most, row - oldest + 1)
    return most
