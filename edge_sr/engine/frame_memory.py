"""Plans the memory of a frame plan: ring buffers that are placed where others are dead.

The planner knows all rows of the frame and their order, and so the events at which a ring holds a
live row. Early layers need a few rows at a time; when they are done, the layers that need whole
maps (pooling, dense layers) take their memory.

1. An element-wise operator writes over its input where nothing else reads that input; the tensors
   of such a chain share one ring.
2. Each ring holds as many rows as lie between the oldest live row and the newest one, at most.
3. Where the tail of the network takes less memory layer by layer, its layers compute whole maps,
   one after the other: the planner tries every layer as the first one of such a tail, with every
   pooling split (`frame_sums.py`) and with none. Then it changes its mind about single layers and
   poolings as long as that makes the arena smaller.
4. Rings are placed one after the other, each at the lowest offset at which it overlaps no ring that
   holds a live row at the same time: a ring of one row that the next operator reads at once shares
   its bytes with others of this kind. So does the scratch memory of convolutions, which lives only
   while a row is computed. Several orders are tried, and the one with the smallest arena is kept.

The arena is not always the smallest possible one: placement is greedy.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from edge_sr.engine.frame_nodes import FrameNode
from edge_sr.engine.frame_place import block, lower_bound, place
from edge_sr.engine.frame_rings import FrameRing, Padding, owners_of, paddings_of, size_rings
from edge_sr.engine.frame_schedule import FrameSchedule
from edge_sr.engine.frame_sums import split_pools, splittable
from edge_sr.engine.packing import frame_scratch_bytes
from edge_sr.graph import Graph

_MAX_WORK = 100_000
"""Limit of the work on alternatives, in events; only large frames and many layers reach it."""

_TAILS = 32  # that are tried first; between the best one and its neighbours, all are
_PLACING = 10  # pairs of nodes whose memory is placed in the time of one event


@dataclass(frozen=True)
class FrameScratch:
    """Memory of an operator while it computes a row; nothing is kept in it.

    Attributes:
        tensor: what the operator computes.
        offset: the first byte, counted like that of rings.
        size: bytes.
        events: the events that use it.
    """

    tensor: int
    offset: int
    size: int
    events: tuple[int, ...]


@dataclass(frozen=True)
class FrameMemory:
    """A schedule and the memory for it.

    Attributes:
        graph: with the tensors of split poolings.
        nodes: with split poolings.
        schedule: the order of rows.
        rings: all ring buffers.
        scratches: the scratch memory of operators that need any.
    """

    graph: Graph
    nodes: tuple[FrameNode, ...]
    schedule: FrameSchedule
    rings: tuple[FrameRing, ...]
    scratches: tuple[FrameScratch, ...]

    @property
    def arena(self) -> int:
        """Bytes of rings and scratch memory, shared memory counted once."""
        rings = max(ring.offset + ring.size for ring in self.rings)
        return max((rings, *(item.offset + item.size for item in self.scratches)))

    def scratch_of(self, tensor: int) -> FrameScratch:
        """The scratch memory of the operator that computes a tensor; of no bytes if it has none."""
        return next(
            (item for item in self.scratches if item.tensor == tensor),
            FrameScratch(tensor, 0, 0, ()),
        )


@dataclass(frozen=True)
class _Network:
    """Operators, which tensors share a ring, and the rings' padding."""

    graph: Graph
    nodes: tuple[FrameNode, ...]
    owners: Mapping[int, int]
    paddings: Mapping[int, Padding]


def plan_frame_memory(graph: Graph, nodes: Sequence[FrameNode]) -> FrameMemory:
    """Schedule the frame and place its memory, as the module's description says.

    Args:
        graph: gives shapes, input and output.
        nodes: as `lower_frame` gives them.

    Raises:
        UserError: the frame takes too many events for a plan.
    """
    return _Search(graph, nodes).run()


def plan_with(
    graph: Graph, nodes: Sequence[FrameNode], whole: Collection[int], split: Collection[int]
) -> FrameMemory:
    """Schedule and place with given choices; the arena may be larger than it need be.

    Args:
        graph: as `plan_frame_memory` takes it.
        nodes: the same.
        whole: tensors that are computed as a whole before later ones are.
        split: outputs of poolings to split, some of `frame_sums.splittable`.

    Raises:
        UserError: the frame takes too many events for a plan.
    """
    network = _network(*split_pools(graph, nodes, split))
    memory = _place(network, _schedule(network, whole), math.inf)
    assert memory is not None  # any arena is below that limit
    return memory


class _Search:
    """Tries choices of layers that compute whole maps and of poolings that are split.

    Both are named by the tensors that they compute.
    """

    def __init__(self, graph: Graph, nodes: Sequence[FrameNode]) -> None:
        self.graph = graph
        self.nodes = nodes
        self.pools = splittable(graph, nodes)
        self.networks: dict[frozenset[int], _Network] = {}
        self.work = 0
        self.whole: frozenset[int] = frozenset()
        self.split: frozenset[int] = frozenset()
        self.best = plan_with(graph, nodes, self.whole, self.split)

    def run(self) -> FrameMemory:
        """Try all choices; return the smallest plan."""
        outputs = [node.output for node in self.nodes]
        step = max(1, len(outputs) // _TAILS)
        for split in {frozenset[int](), frozenset(self.pools)}:
            for first in reversed(range(0, len(outputs), step)):
                self._try(frozenset(outputs[first:]), split)
        start = len(outputs) - len(self.whole)
        for first in range(max(0, start - step + 1), start + step):
            self._try(frozenset(outputs[first:]), self.split)
        size = 0
        while size != self.best.arena:
            size = self.best.arena
            for output in outputs:
                self._try(self.whole ^ {output}, self.split)
            for pool in self.pools:
                self._try(self.whole, self.split ^ {pool})
        return self.best

    def _try(self, whole: frozenset[int], split: frozenset[int]) -> None:
        """Keep the plan with these choices if it is the smallest one."""
        if self.work >= _MAX_WORK:
            return
        if split not in self.networks:
            self.networks[split] = _network(*split_pools(self.graph, self.nodes, split))
        schedule = _schedule(self.networks[split], whole)
        self.work += len(schedule.events) + len(self.nodes) ** 2 // _PLACING
        memory = _place(self.networks[split], schedule, self.best.arena)
        if memory is not None:
            self.best, self.whole, self.split = memory, whole, split


def _schedule(network: _Network, whole: Collection[int]) -> FrameSchedule:
    # Only the last tensor of a ring is read with padding.
    tops = {
        tensor: network.paddings[tensor][0] if owner == tensor else 0
        for tensor, owner in network.owners.items()
    }
    indices = [index for index, node in enumerate(network.nodes) if node.output in whole]
    return FrameSchedule(network.graph, network.nodes, tops, indices)


def _network(graph: Graph, nodes: Sequence[FrameNode]) -> _Network:
    owners = owners_of(graph, nodes)
    return _Network(graph, tuple(nodes), owners, paddings_of(graph, nodes, owners))


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


def _scratches(network: _Network, schedule: FrameSchedule) -> list[FrameScratch]:
    """The scratch memory of each operator that needs any, at offset 0."""
    events: dict[int, list[int]] = {}
    for time, event in enumerate(schedule.events):
        events.setdefault(event.action, []).append(time)
    scratches = []
    for index, node in enumerate(network.nodes):
        pixels = network.graph.tensors[node.output].shape[2]
        size = max(frame_scratch_bytes(call, pixels) for call in node.calls)
        if size > 0:
            scratches.append(FrameScratch(node.output, 0, size, tuple(events[index])))
    return scratches


def _place(network: _Network, schedule: FrameSchedule, limit: float) -> FrameMemory | None:
    """Place rings and scratch memory; None if no arena below the limit is found."""
    rings = size_rings(network.graph, network.nodes, schedule, network.owners, network.paddings)
    scratches = _scratches(network, schedule)
    events = len(schedule.events)
    blocks = [block(ring.size, ring.spans, events) for ring in rings]
    blocks += [
        block(item.size, zip(item.events, item.events, strict=True), events) for item in scratches
    ]
    if lower_bound(blocks) >= limit:
        return None
    offsets = place(blocks, _read_and_written(network.nodes, rings))
    memory = FrameMemory(
        graph=network.graph,
        nodes=network.nodes,
        schedule=schedule,
        rings=tuple(map(_moved, rings, offsets)),
        scratches=tuple(map(_moved, scratches, offsets[len(rings) :])),
    )
    return memory if memory.arena < limit else None


_Placed = TypeVar("_Placed", FrameRing, FrameScratch)


def _moved(item: _Placed, offset: int) -> _Placed:
    return replace(item, offset=offset)
