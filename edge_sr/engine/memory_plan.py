"""Plans the memory of a network: which tensors share a ring buffer, its rows, and its offset.

The algorithm:

1. Schedule the rows (`schedule.py`): every row is computed as late as possible, and the order of
   events repeats with every step of input rows.
2. Let an element-wise operator write its output over its input where no other operator reads that
   input. The tensors of such a chain share one ring buffer.
3. Walk through the schedule. For every row of every ring, record the event that writes the row and
   the last event that reads it: the row's lifetime.
4. Size each ring: it holds as many rows as lie between the oldest live row and the newest one, at
   most. A row is stored with the left and right padding that its readers need.
5. Record the parts of a step in which each ring holds live rows. A ring whose rows outlive a step
   is always live.
6. Place the rings: those that are always live first, then the others, each group by size, largest
   first. Each ring gets the lowest offset at which it overlaps no ring that is live at the same
   time.
7. Try alternatives, one choice at a time, and keep each one that makes the arena smaller: run an
   operator eagerly (as soon as its input is there), or let an addition overwrite its other operand
   or none.

What the algorithm does not guarantee:

- The arena is not always the smallest possible one. Placement is greedy, a kept alternative is
  never taken back, and a network of very many layers gets fewer alternatives.
- Arenas are compared at one typical width (`_TYPICAL_UNITS`). At another width, another choice may
  take less.
- A layout must hold at every width, so offsets are linear in the width and are compared by their
  coefficients. At a given width, some bytes may stay unused.
- A ring is shared as a whole: while one of its rows is live, no other ring uses its free rows. A
  ring whose rows outlive a step shares nothing, even where it is empty for a part of the step.

`overlap.py` checks a plan's memory without using any of this.
"""

import bisect
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edge_sr.engine.nodes import Kind, Node
from edge_sr.engine.operands import padding_value
from edge_sr.engine.packing import scratch_bytes
from edge_sr.engine.schedule import EMIT, INPUT, Event, Schedule, schedule
from edge_sr.graph import Graph

_MAX_TRIED_EVENTS = 1_000_000
"""Limit of events scheduled for alternatives; only networks of very many layers reach it."""

_TYPICAL_UNITS = 320
"""The width at which alternatives are compared."""


@dataclass(frozen=True)
class Size:
    """Bytes that grow with the width: per_unit * units + fixed."""

    per_unit: int = 0
    fixed: int = 0

    def __add__(self, other: "Size") -> "Size":
        return Size(self.per_unit + other.per_unit, self.fixed + other.fixed)

    def at(self, units: int) -> int:
        """Bytes at a width of that many units."""
        return self.per_unit * units + self.fixed

    def covers(self, other: "Size") -> bool:
        """Whether this size is at least as large at every width."""
        return self.per_unit >= other.per_unit and self.fixed >= other.fixed


@dataclass(frozen=True)
class Ring:
    """A ring buffer of rows in the arena.

    Attributes:
        tensors: indices of the graph's tensors that live here, one after the other.
        names: the names of these tensors.
        pixels_per_unit: pixels per unit of width; also rows per unit of height.
        channels: channels of a pixel.
        rows: rows that the ring holds.
        padding: columns on each side of a row that kernels read.
        bottom_padding: rows below the frame that kernels read.
        zero_point: the value of all padding.
        size: bytes.
        offset: the first byte, counted from the end of the engine's state.
        lifetimes: the parts of a step (first and last event) in which the ring holds live rows, or
            None if it always does.
    """

    tensors: tuple[int, ...]
    names: tuple[str, ...]
    pixels_per_unit: int
    channels: int
    rows: int
    padding: int
    bottom_padding: int
    zero_point: int
    size: Size
    offset: Size = Size()
    lifetimes: tuple[tuple[int, int], ...] | None = None


@dataclass(frozen=True)
class MemoryPlan:
    """The memory of a network.

    Attributes:
        schedule: the order of events for which the memory is planned.
        rings: all ring buffers.
        arena: bytes of all rings together, shared memory counted once.
        scratch: bytes after the rings that convolutions use while they compute a row.
    """

    schedule: Schedule
    rings: tuple[Ring, ...]
    arena: Size
    scratch: int

    @property
    def cost(self) -> int:
        """Bytes of the arena at a typical width."""
        return self.arena.at(_TYPICAL_UNITS)


def plan_memory(
    graph: Graph, nodes: Sequence[Node], pixels_per_unit: Mapping[int, int]
) -> MemoryPlan:
    """Plan the memory of a network, as the module's description says.

    Args:
        graph: gives the shapes of tensors, input and output.
        nodes: as `schedule.needed` gives them.
        pixels_per_unit: as `schedule.pixels_per_unit` gives them.

    Raises:
        UserError: the network is too deep for the engine.
    """
    options = _in_place_options(graph, nodes)
    in_place: dict[int, int | None] = {node: sources[0] for node, sources in options.items()}
    eager: frozenset[int] = frozenset()
    best = _plan(graph, nodes, schedule(graph, nodes, pixels_per_unit, eager), in_place)
    trials = _MAX_TRIED_EVENTS // len(best.schedule.trace)
    for index in _eager_options(graph, nodes, pixels_per_unit)[:trials]:
        order = schedule(graph, nodes, pixels_per_unit, eager | {index})
        trial = _plan(graph, nodes, order, in_place)
        if trial.cost < best.cost:
            best, eager = trial, eager | {index}
    # A single input is always best overwritten; of two operands it may be either, or none.
    additions = [
        (node, sources) for node, sources in options.items() if len(nodes[node].inputs) > 1
    ]
    for index, sources in additions[:trials]:
        for source in (*sources[1:], None):
            trial = _plan(graph, nodes, best.schedule, {**in_place, index: source})
            if trial.cost < best.cost:
                best, in_place = trial, {**in_place, index: source}
    return best


def _plan(
    graph: Graph, nodes: Sequence[Node], order: Schedule, in_place: Mapping[int, int | None]
) -> MemoryPlan:
    """The memory for one schedule and one choice of in-place operators."""
    owners = {graph.input.index: graph.input.index, **_shared(nodes, in_place)}
    lifetimes = _lifetimes(graph, nodes, order, owners)
    rings = _place(
        [
            _ring(graph, nodes, order, owner, _tensors_of(owner, owners), lifetimes[owner])
            for owner in sorted(set(owners.values()))
        ]
    )
    return MemoryPlan(order, tuple(rings), _end(rings), _scratch(nodes))


def _scratch(nodes: Sequence[Node]) -> int:
    """The largest scratch size of any convolution."""
    windows = [
        (call.kernel, call.window.shape[3])
        for node in nodes
        for call in node.calls
        if call.kind == Kind.CONV and call.window is not None
    ]
    return max((scratch_bytes(*window) for window in windows), default=0)


# --- which tensors share a ring


def _in_place_options(graph: Graph, nodes: Sequence[Node]) -> dict[int, tuple[int, ...]]:
    """For each node, the inputs that it may overwrite: those that nothing else reads."""
    reads = [source for node in nodes for source in node.inputs] + [graph.output.index]
    options = {
        index: tuple(source for source in node.in_place if reads.count(source) == 1)
        for index, node in enumerate(nodes)
    }
    return {index: sources for index, sources in options.items() if sources}


def _eager_options(
    graph: Graph, nodes: Sequence[Node], pixels_per_unit: Mapping[int, int]
) -> list[int]:
    """Nodes whose output is no larger than their input, in networks with skip connections."""
    reads = [source for node in nodes for source in node.inputs]
    if not any(reads.count(source) > 1 for source in reads):
        return []

    def bytes_per_unit(tensor: int) -> int:
        return pixels_per_unit[tensor] ** 2 * graph.tensors[tensor].shape[3]

    return [
        index
        for index, node in enumerate(nodes)
        if bytes_per_unit(node.output) <= max(bytes_per_unit(source) for source in node.inputs)
    ]


def _tensors_of(owner: int, owners: Mapping[int, int]) -> tuple[int, ...]:
    return tuple(tensor for tensor in owners if owners[tensor] == owner)


def _shared(nodes: Sequence[Node], in_place: Mapping[int, int | None]) -> dict[int, int]:
    """For each tensor, the last tensor of the chain that shares its ring."""
    last: dict[int, int] = {}
    for index, node in reversed(list(enumerate(nodes))):
        owner = last.setdefault(node.output, node.output)
        source = in_place.get(index)
        if source is not None:
            last[source] = owner
    return last


# --- how long rows live


@dataclass
class _Lifetime:
    """The events (indices in the trace) that first write and last use a row."""

    first: int
    last: int


def _lifetimes(
    graph: Graph, nodes: Sequence[Node], order: Schedule, owners: Mapping[int, int]
) -> dict[int, dict[int, _Lifetime]]:
    """The lifetime of every row of every ring, by the ring's owner and the row."""
    lifetimes: dict[int, dict[int, _Lifetime]] = {owner: {} for owner in owners.values()}
    for time, event in enumerate(order.trace):
        for tensor, first, last in _used_rows(graph, nodes, event):
            rows = lifetimes[owners[tensor]]
            for row in range(max(first, 0), last + 1):
                rows.setdefault(row, _Lifetime(time, time)).last = time
    return lifetimes


def _used_rows(graph: Graph, nodes: Sequence[Node], event: Event) -> Iterator[tuple[int, int, int]]:
    """Tensors, each with the first and last row that an event writes or reads."""
    if event.action == INPUT:
        yield graph.input.index, event.row, event.row
    elif event.action == EMIT:
        yield graph.output.index, event.row, event.row
    else:
        node = nodes[event.action]
        yield node.output, event.row, event.row
        for source in node.inputs:
            yield source, *node.rows(event.row)


def _ring(
    graph: Graph,
    nodes: Sequence[Node],
    order: Schedule,
    owner: int,
    tensors: tuple[int, ...],
    lifetimes: Mapping[int, _Lifetime],
) -> Ring:
    """The ring of these tensors, of which the owner is the last; it has no offset yet."""
    kernels = [node.kernel for node in nodes for source in node.inputs if source in tensors]
    kernels = kernels or [(1, 1)]
    tensor = graph.tensors[owner]
    channels, pixels = tensor.shape[3], order.pixels_per_unit[owner]
    padding = max(width // 2 for _, width in kernels)
    rows = _rows_at_once(lifetimes)
    stride = Size(pixels * channels, 2 * (-(-padding * channels // 4) * 4))
    return Ring(
        tensors=tensors,
        names=tuple(graph.tensors[index].name for index in tensors),
        pixels_per_unit=pixels,
        channels=channels,
        rows=rows,
        padding=padding,
        bottom_padding=max(height // 2 for height, _ in kernels),
        zero_point=padding_value(tensor),
        size=Size(rows * stride.per_unit, rows * stride.fixed),
        lifetimes=_lifetimes_in_step(order, lifetimes),
    )


def _rows_at_once(lifetimes: Mapping[int, _Lifetime]) -> int:
    """The largest number of rows from the oldest live one to the newest."""
    oldest = most = 0
    for row in sorted(lifetimes):
        while lifetimes[oldest].last < lifetimes[row].first:
            oldest += 1
        most = max(most, row - oldest + 1)
    return most


def _lifetimes_in_step(
    order: Schedule, lifetimes: Mapping[int, _Lifetime]
) -> tuple[tuple[int, int], ...] | None:
    """The parts of a step in which the ring holds live rows, or None if rows outlive a step."""
    parts: set[tuple[int, int]] = set()
    for life in lifetimes.values():
        step = bisect.bisect_right(order.starts, life.first) - 1
        if order.first_steady <= step < len(order.starts) - 1:
            if life.last >= order.starts[step + 1]:
                return None
            start = order.starts[step]
            parts.add((life.first - start, life.last - start))
    return tuple(sorted(parts))


# --- where rings lie


def _place(rings: Sequence[Ring]) -> list[Ring]:
    """Give every ring an offset: always live ones first, then largest first, each lowest."""
    placed: dict[int, Ring] = {}
    order = sorted(
        range(len(rings)),
        key=lambda i: (rings[i].lifetimes is not None, -rings[i].size.at(_TYPICAL_UNITS)),
    )
    for index in order:
        ring = rings[index]
        others = [other for other in placed.values() if _live_together(ring, other)]
        candidates = [Size(), *(other.offset + other.size for other in others)]
        free = [
            offset
            for offset in candidates
            if all(
                offset.covers(other.offset + other.size) or other.offset.covers(offset + ring.size)
                for other in others
            )
        ]
        lowest = min((*free, _end(others)), key=lambda offset: offset.at(_TYPICAL_UNITS))
        placed[index] = dataclasses.replace(ring, offset=lowest)
    return [placed[index] for index in range(len(rings))]


def _end(rings: Sequence[Ring]) -> Size:
    """The lowest offset that is behind all rings at every width."""
    return Size(
        max((ring.offset.per_unit + ring.size.per_unit for ring in rings), default=0),
        max((ring.offset.fixed + ring.size.fixed for ring in rings), default=0),
    )


def _live_together(a: Ring, b: Ring) -> bool:
    """Whether both rings hold live rows at the same time."""
    if a.lifetimes is None or b.lifetimes is None:
        return True
    return any(x[0] <= y[1] and y[0] <= x[1] for x in a.lifetimes for y in b.lifetimes)
