"""Plans how the engine streams a network: rings, arena, exact RAM, latency, and the plan itself.

`make_plan` reads an int8 graph and gives a `Plan`; `Plan.blob` is what the engine in `c/` runs, and
`c_source` is the same as C arrays, one for each order of weights, of which the C compiler takes the
one that the target's kernels want. `c/esr_plan.h` explains the format.

Memory: every tensor gets a ring of just the rows that are alive at once (`schedule.py` says when);
operators on single values work in place; rings that are empty between two steps share memory with
each other. All of it grows with the width alone, so that offsets are a * units + b.
"""

import bisect
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edge_sr.engine.lower import Kind, Node, Record, lower
from edge_sr.engine.packing import Layout, pack_weights, scratch_bytes
from edge_sr.engine.schedule import (
    EMIT,
    INPUT,
    Event,
    Schedule,
    needed,
    rates,
    schedule,
)
from edge_sr.errors import UserError
from edge_sr.graph import Graph, macs_per_pixel

MAGIC = 0x31525345
VERSION = 2
HEAD_BYTES = 128
"""What the engine itself takes of the arena."""

MAX_UNITS = 1048576
MAX_ARENA = 2**31 - 1
_UNIT_ROUND = 4
_ENTRIES = {INPUT: 0xFFFFFFFF, EMIT: 0xFFFFFFFE}

_TRIAL_EVENTS = 1_000_000
"""How much work may go into alternatives; only networks of very many layers would need more."""

_TYPICAL_UNITS = 320
"""The width at which alternatives are compared."""


@dataclass(frozen=True)
class Size:
    """Bytes that grow with the width: unit * units + fixed."""

    unit: int = 0
    fixed: int = 0

    def __add__(self, other: "Size") -> "Size":
        return Size(self.unit + other.unit, self.fixed + other.fixed)

    def at(self, units: int) -> int:
        """Bytes for that many units."""
        return self.unit * units + self.fixed

    def covers(self, other: "Size") -> bool:
        """Whether this is at least as large at every width."""
        return self.unit >= other.unit and self.fixed >= other.fixed


@dataclass(frozen=True)
class Ring:
    """A buffer of rows in the arena.

    Attributes:
        tensors: the graph's tensors that live here, one after the other.
        names: theirs.
        rate: pixels per unit of width.
        channels: of a pixel.
        rows: how many there are.
        margin: columns on each side of a row that kernels read.
        below: rows below the frame that kernels read.
        zero_point: which fills both.
        size: bytes.
        place: where it starts.
        lives: stretches of a step (first and last event) in which it holds a row, or None if it
            always does.
    """

    tensors: tuple[int, ...]
    names: tuple[str, ...]
    rate: int
    channels: int
    rows: int
    margin: int
    below: int
    zero_point: int
    size: Size
    place: Size = Size()
    lives: tuple[tuple[int, int], ...] | None = None


@dataclass(frozen=True)
class Plan:
    """A network, ready to be streamed.

    Attributes:
        rings: all buffers, in the order of the plan's records.
        program: what happens in one step; see `schedule.Event`.
        nodes: the operators that the program names.
        rate: input rows and columns of a unit; widths and heights are multiples of it.
        out_rate: output rows and columns of a unit.
        arena: of all rings together, shared memory counted once.
        scratch: bytes in which convolutions work, beside the rings.
        halo: input columns on each side that an output pixel may depend on.
        latency: input rows that must follow a row before its output is known.
        macs: multiply-accumulates per input pixel.
        blobs: what the engine reads, for each layout of weights; multiples of 4 bytes.
    """

    rings: tuple[Ring, ...]
    program: tuple[Event, ...]
    nodes: tuple[Node, ...]
    rate: int
    out_rate: int
    arena: Size
    scratch: int
    halo: int
    latency: int
    macs: int | float
    blobs: Mapping[Layout, bytes]

    @property
    def blob(self) -> bytes:
        """The plan for portable kernels, which a desk runs."""
        return self.blobs[Layout.SIMD]

    @property
    def flash_bytes(self) -> int:
        """Constant memory that the plan takes, weights included, with any kernels at most; the
        engine's code comes on top.
        """
        return max(map(len, self.blobs.values()))

    @property
    def flash(self) -> str:
        """For people: constant memory that the plan takes with each set of kernels."""
        return ", ".join(f"{len(blob):,} {layout.kernels}" for layout, blob in self.blobs.items())

    def wide_units(self, width: int) -> int:
        """Units that rings are laid out for at that width: rounded up, which aligns them."""
        return -(-width // self.rate // _UNIT_ROUND) * _UNIT_ROUND

    def arena_bytes(self, width: int) -> int:
        """RAM of the engine for frames of that width, exactly as `esr_arena_bytes` says it.

        Raises:
            UserError: the network cannot run at this width.
        """
        units, rest = divmod(width, self.rate)
        total = HEAD_BYTES + self.arena.at(self.wide_units(width)) + self.scratch
        if rest or not 1 <= units <= MAX_UNITS or total > MAX_ARENA:
            raise UserError(
                f"the model cannot run at width {width}; it takes {_multiples(self.rate)} "
                f"to {MAX_UNITS * self.rate} with an arena below 2 GiB"
            )
        return total


def _multiples(rate: int) -> str:
    """Names the widths that a network takes."""
    return "whole numbers from 1" if rate == 1 else f"multiples of {rate} from {rate}"


def make_plan(graph: Graph) -> Plan:
    """Plan an int8 graph.

    Raises:
        UserError: an operator, type or size that the engine lacks; the text names it.
    """
    nodes = needed(graph, lower(graph))
    layout = _best_layout(graph, nodes, rates(graph, nodes))
    order = layout.schedule
    halo = _halo(graph, nodes, order.rates)
    scratch = _scratch(nodes)
    return Plan(
        rings=layout.rings,
        program=order.program,
        nodes=tuple(nodes),
        rate=order.rates[graph.input.index],
        out_rate=order.rates[graph.output.index],
        arena=layout.arena,
        scratch=scratch,
        halo=halo,
        latency=order.latency,
        macs=macs_per_pixel(graph),
        blobs={kind: _blob(graph, nodes, layout, halo, scratch, kind) for kind in Layout},
    )


def _scratch(nodes: Sequence[Node]) -> int:
    """What the convolution that needs most needs."""
    windows = [
        (record.kernel, record.window.shape[3])
        for node in nodes
        for record in node.records
        if record.kind == Kind.CONV and record.window is not None
    ]
    return max((scratch_bytes(*window) for window in windows), default=0)


def _halo(graph: Graph, nodes: Sequence[Node], rates: Mapping[int, int]) -> int:
    """Input columns beside its own that an output pixel may depend on."""
    margins = {graph.output.index: 0}
    for node in reversed(nodes):
        margin = -(-margins.get(node.output, 0) // node.up) * node.down + node.kernel[1] // 2
        for source in node.inputs:
            margins[source] = max(margins.get(source, 0), margin)
    return margins[graph.input.index]


# --- which tensors share a ring


@dataclass(frozen=True)
class _Layout:
    schedule: Schedule
    rings: tuple[Ring, ...]
    arena: Size

    @property
    def cost(self) -> int:
        return self.arena.at(_TYPICAL_UNITS)


def _best_layout(graph: Graph, nodes: Sequence[Node], rates: Mapping[int, int]) -> _Layout:
    """The layout that takes the least RAM among those that change one choice at a time."""
    places = _in_place_choices(graph, nodes)
    chosen: dict[int, int | None] = {index: options[0] for index, options in places.items()}
    eager: frozenset[int] = frozenset()
    best = _layout(graph, nodes, schedule(graph, nodes, rates, eager), chosen)
    trials = _TRIAL_EVENTS // len(best.schedule.trace)
    for index in _eager_choices(graph, nodes, rates)[:trials]:
        trial = _layout(graph, nodes, schedule(graph, nodes, rates, eager | {index}), chosen)
        if trial.cost < best.cost:
            best, eager = trial, eager | {index}
    # A single input is always best taken over; of two summands it may be either, or none.
    sums = [(index, options) for index, options in places.items() if len(nodes[index].inputs) > 1]
    for index, options in sums[:trials]:
        for option in (*options[1:], None):
            trial = _layout(graph, nodes, best.schedule, {**chosen, index: option})
            if trial.cost < best.cost:
                best, chosen = trial, {**chosen, index: option}
    return best


def _in_place_choices(graph: Graph, nodes: Sequence[Node]) -> dict[int, tuple[int, ...]]:
    """For each node, the inputs whose memory it may take: those that nothing else reads."""
    readers = [source for node in nodes for source in node.inputs] + [graph.output.index]
    choices = {
        index: tuple(source for source in node.in_place if readers.count(source) == 1)
        for index, node in enumerate(nodes)
    }
    return {index: options for index, options in choices.items() if options}


def _eager_choices(graph: Graph, nodes: Sequence[Node], rates: Mapping[int, int]) -> list[int]:
    """Nodes that make less than they read, on paths that part and join again."""
    readers = [source for node in nodes for source in node.inputs]
    if not any(readers.count(source) > 1 for source in readers):
        return []

    def row_bytes(tensor: int) -> int:
        return rates[tensor] ** 2 * graph.tensors[tensor].shape[3]

    return [
        index
        for index, node in enumerate(nodes)
        if row_bytes(node.output) <= max(row_bytes(source) for source in node.inputs)
    ]


def _shared(nodes: Sequence[Node], chosen: Mapping[int, int | None]) -> dict[int, int]:
    """The last tensor of the chain that shares a ring with each tensor."""
    last: dict[int, int] = {}
    for index, node in reversed(list(enumerate(nodes))):
        owner = last.setdefault(node.output, node.output)
        source = chosen.get(index)
        if source is not None:
            last[source] = owner
    return last


def _layout(
    graph: Graph, nodes: Sequence[Node], order: Schedule, chosen: Mapping[int, int | None]
) -> _Layout:
    owners = {graph.input.index: graph.input.index, **_shared(nodes, chosen)}
    lives = _lives(graph, nodes, order, owners)
    rings = [
        _ring(graph, nodes, order, owner, tuple(t for t in owners if owners[t] == owner), lives)
        for owner in sorted(set(owners.values()))
    ]
    placed = tuple(_place(rings))
    arena = Size(
        max(ring.place.unit + ring.size.unit for ring in placed),
        max(ring.place.fixed + ring.size.fixed for ring in placed),
    )
    return _Layout(order, placed, arena)


# --- how long rows live


@dataclass
class _Life:
    """Events (indices in the trace) that make a row and need it last."""

    born: int
    dies: int


def _lives(
    graph: Graph, nodes: Sequence[Node], order: Schedule, owners: Mapping[int, int]
) -> dict[int, dict[int, _Life]]:
    """The life of every row of every ring, by ring and row."""
    found: dict[int, dict[int, _Life]] = {owner: {} for owner in owners.values()}
    for time, event in enumerate(order.trace):
        for tensor, first, last in _touched(graph, nodes, event):
            rows = found[owners[tensor]]
            for row in range(max(first, 0), last + 1):
                rows.setdefault(row, _Life(time, time)).dies = time
    return found


def _touched(graph: Graph, nodes: Sequence[Node], event: Event) -> Iterator[tuple[int, int, int]]:
    """Tensors, and the first and last of their rows, that an event writes or reads."""
    if event.what == INPUT:
        yield graph.input.index, event.row, event.row
    elif event.what == EMIT:
        yield graph.output.index, event.row, event.row
    else:
        node = nodes[event.what]
        yield node.output, event.row, event.row
        for source in node.inputs:
            yield source, *node.rows(event.row)


def _ring(
    graph: Graph,
    nodes: Sequence[Node],
    order: Schedule,
    owner: int,
    tensors: tuple[int, ...],
    lives: Mapping[int, Mapping[int, _Life]],
) -> Ring:
    readers = [node for node in nodes for source in node.inputs if source in tensors]
    windows = [node.kernel for node in readers] or [(1, 1)]
    tensor = graph.tensors[owner]
    channels, rate = tensor.shape[3], order.rates[owner]
    margin = max(width // 2 for _, width in windows)
    rows = _rows_at_once(lives[owner])
    stride = Size(rate * channels, 2 * (-(-margin * channels // 4) * 4))
    assert tensor.quantization is not None  # `lower` has checked it
    return Ring(
        tensors=tensors,
        names=tuple(graph.tensors[index].name for index in tensors),
        rate=rate,
        channels=channels,
        rows=rows,
        margin=margin,
        below=max(height // 2 for height, _ in windows),
        zero_point=tensor.quantization.zero_point[0],
        size=Size(rows * stride.unit, rows * stride.fixed),
        lives=_lives_in_step(order, lives[owner]),
    )


def _rows_at_once(lives: Mapping[int, _Life]) -> int:
    """Rows from the oldest one that is still needed to the newest, at most."""
    oldest = most = 0
    for row in sorted(lives):
        while lives[oldest].dies < lives[row].born:
            oldest += 1
        most = max(most, row - oldest + 1)
    return most


def _lives_in_step(
    order: Schedule, lives: Mapping[int, _Life]
) -> tuple[tuple[int, int], ...] | None:
    """The stretches of a step in which the ring holds rows, or None if rows outlive a step."""
    found: set[tuple[int, int]] = set()
    for life in lives.values():
        step = bisect.bisect_right(order.starts, life.born) - 1
        if order.settled <= step < len(order.starts) - 1:
            if life.dies >= order.starts[step + 1]:
                return None
            start = order.starts[step]
            found.add((life.born - start, life.dies - start))
    return tuple(sorted(found))


# --- where rings lie


def _place(rings: Sequence[Ring]) -> list[Ring]:
    """Give every ring a place: largest first, as low as rings alive at the same time allow."""
    placed: dict[int, Ring] = {}
    by_size = sorted(
        range(len(rings)),
        key=lambda i: (rings[i].lives is not None, -rings[i].size.at(_TYPICAL_UNITS)),
    )
    for index in by_size:
        ring = rings[index]
        others = [other for other in placed.values() if _meet(ring, other)]
        spots = [Size(), *(other.place + other.size for other in others)]
        free = [
            spot
            for spot in spots
            if all(
                spot.covers(other.place + other.size) or other.place.covers(spot + ring.size)
                for other in others
            )
        ]
        top = Size(
            max((o.place.unit + o.size.unit for o in others), default=0),
            max((o.place.fixed + o.size.fixed for o in others), default=0),
        )
        spot = min((*free, top), key=lambda size: size.at(_TYPICAL_UNITS))
        placed[index] = Ring(**{**ring.__dict__, "place": spot})
    return [placed[index] for index in range(len(rings))]


def _meet(a: Ring, b: Ring) -> bool:
    """Whether both hold something at the same time."""
    if a.lives is None or b.lives is None:
        return True
    return any(x[0] <= y[1] and y[0] <= x[1] for x in a.lives for y in b.lives)


# --- the plan's bytes


class _Constants:
    """Constants after the records, each at a whole word, equal ones once."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.data = bytearray()
        self.offsets: dict[bytes, int] = {b"": 0}

    def add(self, constant: bytes) -> int:
        """The offset of the constant from the plan's start; 0 for none."""
        if constant not in self.offsets:
            self.offsets[constant] = self.start + len(self.data)
            self.data += constant + bytes(-len(constant) % 4)
        return self.offsets[constant]


_HEADER = struct.Struct("<15I")
_BUFFER = struct.Struct("<5Ii2I")
_OPERATOR = struct.Struct("<11I5i")
_ENTRY = struct.Struct("<Ii")


def _blob(
    graph: Graph,
    nodes: Sequence[Node],
    layout: _Layout,
    halo: int,
    scratch: int,
    weights: Layout,
) -> bytes:
    buffers = {tensor: place for place, ring in enumerate(layout.rings) for tensor in ring.tensors}
    entries = list(_entries(nodes, layout.schedule.program))
    records = [record for node in nodes for record in node.records]
    start = _HEADER.size + _BUFFER.size * len(layout.rings)
    start += _OPERATOR.size * len(records) + _ENTRY.size * len(entries)
    constants = _Constants(start)
    body = b"".join(
        [
            *(_pack_ring(ring) for ring in layout.rings),
            *(_pack_record(record, buffers, constants, weights) for record in records),
            *(_ENTRY.pack(*entry) for entry in entries),
        ]
    )
    header = _HEADER.pack(
        MAGIC,
        VERSION,
        weights,
        start + len(constants.data),
        len(layout.rings),
        len(records),
        len(entries),
        layout.schedule.rates[graph.input.index],
        buffers[graph.input.index],
        buffers[graph.output.index],
        halo,
        layout.schedule.latency,
        layout.arena.unit,
        layout.arena.fixed,
        scratch,
    )
    return header + body + bytes(constants.data)


def _entries(nodes: Sequence[Node], program: Sequence[Event]) -> Iterator[tuple[int, int]]:
    """The program's events as the plan's entries: one per record."""
    first, count = {}, 0
    for index, node in enumerate(nodes):
        first[index] = count
        count += len(node.records)
    for event in program:
        if event.what in _ENTRIES:
            yield _ENTRIES[event.what], event.row
        else:
            for place in range(len(nodes[event.what].records)):
                yield first[event.what] + place, event.row


def _pack_ring(ring: Ring) -> bytes:
    return _BUFFER.pack(
        ring.rate,
        ring.channels,
        ring.rows,
        ring.margin,
        ring.below,
        ring.zero_point,
        ring.place.unit,
        ring.place.fixed,
    )


def _pack_record(
    record: Record, buffers: Mapping[int, int], constants: _Constants, layout: Layout
) -> bytes:
    weights = record.weights
    if record.window is not None:
        weights = pack_weights(record.window, record.groups, layout)
    source = buffers[record.source]
    return _OPERATOR.pack(
        record.kind,
        source,
        source if record.other is None else buffers[record.other],
        buffers[record.target],
        *record.kernel,
        record.groups,
        record.extra,
        constants.add(weights),
        constants.add(record.bias),
        constants.add(record.scales),
        record.low,
        record.high,
        *record.zero_points,
    )


def c_source(plan: Plan, name: str) -> str:
    """A C99 file with the plan as one constant array, aligned by its type.

    The array is there once for each layout, of which the compiler takes the target's.

    Args:
        plan: the plan.
        name: of the array, a C identifier; `<name>` and `NAME_ARENA_BYTES(width)` are defined.

    Raises:
        UserError: the name is no C identifier.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise UserError(f"{name!r} is not a name that C accepts; letters, digits and _ are")
    arrays = [
        f"const uint32_t {name}[{name.upper()}_WORDS] = {{\n{_c_words(plan.blobs[layout])}\n}};\n"
        for layout in Layout
    ]
    return (
        "/* A plan for edge-sr's engine, to be passed to esr_open. */\n"
        f'#include "{name}.h"\n\n{_by_layout(arrays)}'
    )


def _c_words(blob: bytes) -> str:
    words = [f"0x{word:08x}" for (word,) in struct.iter_unpack("<I", blob)]
    lines = [", ".join(words[place : place + 8]) + "," for place in range(0, len(words), 8)]
    return "\n".join(f"    {line}" for line in lines)


def _by_layout(texts: Sequence[str]) -> str:
    """The text for the layout that the C compiler chooses."""
    tests = [f"if ESR_LAYOUT == ESR_LAYOUT_{layout.name}" for layout in Layout]
    parts = [f"#{'el' if place else ''}{test}\n{texts[place]}" for place, test in enumerate(tests)]
    return "".join(parts) + "#endif\n"


def c_header(plan: Plan, name: str) -> str:
    """The header that belongs to `c_source`; it includes the engine's esr_layout.h."""
    upper, head = name.upper(), HEAD_BYTES + plan.arena.fixed + plan.scratch
    units = f"((((width) / {plan.rate}u) + {_UNIT_ROUND - 1}u) / {_UNIT_ROUND}u * {_UNIT_ROUND}u)"
    words = [f"#define {upper}_WORDS {len(plan.blobs[layout]) // 4}u\n" for layout in Layout]
    return (
        f'#ifndef {upper}_H\n#define {upper}_H\n\n#include "esr_layout.h"\n\n'
        f"#include <stdint.h>\n\n{_by_layout(words)}"
        f"#define {upper}_BYTES (4u * {upper}_WORDS)\n"
        "/* RAM for frames of that width; esr_arena_bytes says the same while it runs. */\n"
        f"#define {upper}_ARENA_BYTES(width) ({plan.arena.unit}u * {units} + {head}u)\n\n"
        f"extern const uint32_t {name}[{upper}_WORDS];\n\n#endif\n"
    )
