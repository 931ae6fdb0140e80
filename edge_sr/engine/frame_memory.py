"""Plans the memory of a frame plan: ring buffers that are placed where others are dead.

All rows of the frame and their order are known, so that a ring lives exactly from its first write
to its last read. Early layers need a few rows at a time; when they are done, the layers that need
whole maps (pooling, dense layers) take their memory.

1. An element-wise operator writes over its input where nothing else reads that input; the tensors
   of such a chain share one ring.
2. Each ring holds as many rows as lie between the oldest live row and the newest one, at most.
3. Where the tail of the network takes less memory layer by layer, its layers compute whole maps,
   one after the other: the planner tries every layer as the first one of such a tail, and then
   takes back or adds single layers where that makes the arena smaller.
4. Rings are placed one after the other, each at the lowest offset at which it overlaps no ring that
   is live at the same time. Two orders are tried, and the one with the smaller arena is kept.

The arena is not always the smallest possible one: placement is greedy.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from edge_sr.engine.frame_nodes import FrameNode, padding_of
from edge_sr.engine.frame_schedule import FrameSchedule
from edge_sr.engine.operands import padding_value
from edge_sr.engine.schedule import EMIT, INPUT, Event
from edge_sr.graph import Graph

Padding = tuple[int, int, int, int]
"""Rows above and below a frame, columns left and right of it."""

_MAX_TRIED_EVENTS = 100_000
"""Limit of events scheduled for alternatives; only large frames of many layers reach it."""


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
        life: the first and the last event that uses the ring.
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
    life: tuple[int, int]

    @property
    def stride(self) -> int:
        """Bytes from slot to slot."""
        _, _, left, right = self.padding
        return -(-(left + self.width + right) * self.channels // 4) * 4

    @property
    def size(self) -> int:
        """Bytes of all slots."""
        return self.rows * self.stride


@dataclass(frozen=True)
class FrameMemory:
    """A schedule and the rings for it."""

    schedule: FrameSchedule
    rings: tuple[FrameRing, ...]

    @property
    def arena(self) -> int:
        """Bytes of all rings together, shared memory counted once."""
        return _end(self.rings)


def plan_frame_memory(
    graph: Graph,
    nodes: Sequence[FrameNode],
    owners: Mapping[int, int],
    paddings: Mapping[int, Padding],
) -> FrameMemory:
    """Schedule the frame and place its rings, as the module's description says.

    Args:
        graph: gives shapes, input and output.
        nodes: as `lower_frame` gives them.
        owners: as `owners_of` gives them.
        paddings: as `paddings_of` gives them.

    Raises:
        UserError: the frame takes too many events for a plan.
    """
    # Only the last tensor of a ring is read with padding.
    tops = {tensor: paddings[tensor][0] if owners[tensor] == tensor else 0 for tensor in owners}

    def plan(whole: frozenset[int]) -> FrameMemory:
        schedule = FrameSchedule(graph, nodes, tops, whole)
        return FrameMemory(schedule, tuple(_rings(graph, nodes, schedule, owners, paddings)))

    best, chosen = plan(frozenset()), frozenset[int]()
    trials = _MAX_TRIED_EVENTS // len(best.schedule.events)
    tails = [frozenset(range(first, len(nodes))) for first in range(len(nodes))]
    for whole in tails[-trials:] if trials else ():
        trial = plan(whole)
        if trial.arena < best.arena:
            best, chosen = trial, whole
    for index in range(min(len(nodes), trials - len(tails))):
        trial = plan(chosen ^ {index})
        if trial.arena < best.arena:
            best, chosen = trial, chosen ^ {index}
    return best


def owners_of(graph: Graph, nodes: Sequence[FrameNode]) -> dict[int, int]:
    """For each tensor, the last tensor of the chain that shares its ring."""
    reads = [source for node in nodes for source in node.inputs] + [graph.output.index]
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


def _rings(
    graph: Graph,
    nodes: Sequence[FrameNode],
    schedule: FrameSchedule,
    owners: Mapping[int, int],
    paddings: Mapping[int, Padding],
) -> list[FrameRing]:
    """Size and place the rings."""
    lives: dict[int, dict[int, tuple[int, int]]] = {owner: {} for owner in owners.values()}
    for time, event in enumerate(schedule.events):
        for tensor, rows in used_rows(graph, nodes, event):
            life = lives[owners[tensor]]
            for row in rows:
                life[row] = (life.get(row, (time,))[0], time)
    rings = [
        FrameRing(
            tensors=tuple(tensor for tensor in owners if owners[tensor] == owner),
            names=tuple(graph.tensors[tensor].name for tensor in owners if owners[tensor] == owner),
            height=graph.tensors[owner].shape[1],
            width=graph.tensors[owner].shape[2],
            channels=graph.tensors[owner].shape[3],
            rows=_rows_at_once(life),
            padding=paddings[owner],
            zero_point=padding_value(graph.tensors[owner]),
            offset=0,
            life=(min(first for first, _ in life.values()), max(last for _, last in life.values())),
        )
        for owner, life in sorted(lives.items())
    ]
    by_size = sorted(range(len(rings)), key=lambda i: -rings[i].size)
    by_life = sorted(range(len(rings)), key=lambda i: rings[i].life[0])
    apart = _read_and_written(nodes, rings)
    return min((_place(rings, order, apart) for order in (by_size, by_life)), key=_end)


def _read_and_written(
    nodes: Sequence[FrameNode], rings: Sequence[FrameRing]
) -> set[frozenset[int]]:
    """Pairs of rings that an operator reads and writes; the engine refuses plans that share them.

    They may live at different times only if no row is read, as where a pool reads padding alone.
    """
    ring_of = {tensor: index for index, ring in enumerate(rings) for tensor in ring.tensors}
    return {
        frozenset((ring_of[source], ring_of[node.output]))
        for node in nodes
        for source in node.inputs
    }


def used_rows(
    graph: Graph, nodes: Sequence[FrameNode], event: Event
) -> Iterator[tuple[int, Sequence[int]]]:
    """Tensors, each with the rows that an event reads or writes; the written one comes last."""
    if event.action == INPUT:
        yield graph.input.index, (event.row,)
    elif event.action == EMIT:
        yield graph.output.index, (event.row,)
    else:
        node = nodes[event.action]
        if 0 <= event.row < graph.tensors[node.output].shape[1]:
            for source in node.inputs:
                yield source, node.rows(event.row)
        yield node.output, (event.row,)


def _rows_at_once(life: Mapping[int, tuple[int, int]]) -> int:
    """The largest number of rows from the oldest live one to the newest."""
    oldest, most = min(life), 0
    for row in sorted(life):
        while life[oldest][1] < life[row][0]:
            oldest += 1
        most = max(most, row - oldest + 1)
    return most


def _end(rings: Sequence[FrameRing]) -> int:
    """The first byte behind all rings."""
    return max(ring.offset + ring.size for ring in rings)


def _place(
    rings: Sequence[FrameRing], order: Sequence[int], apart: Collection[frozenset[int]]
) -> list[FrameRing]:
    """Give every ring the lowest free offset, in that order."""
    placed: dict[int, FrameRing] = {}
    for index in order:
        ring = rings[index]
        others = [
            other
            for number, other in placed.items()
            if _live_together(ring, other) or frozenset((index, number)) in apart
        ]
        offsets = sorted([0, *(other.offset + other.size for other in others)])
        lowest = next(
            offset
            for offset in offsets
            if all(
                offset + ring.size <= other.offset or other.offset + other.size <= offset
                for other in others
            )
        )
        placed[index] = replace(ring, offset=lowest)
    return [placed[index] for index in range(len(rings))]


def _live_together(a: FrameRing, b: FrameRing) -> bool:
    return a.life[0] <= b.life[1] and b.life[0] <= a.life[1]
