"""Writes a plan's bytes, which the engine reads; `c/esr_plan.h` describes the format."""

import itertools
import struct
from collections.abc import Iterator, Mapping, Sequence

from edge_sr.engine.frame_nodes import FrameNode
from edge_sr.engine.memory_plan import MemoryPlan, Ring
from edge_sr.engine.nodes import KernelCall, Node
from edge_sr.engine.packing import Layout, pack_weights
from edge_sr.engine.schedule import EMIT, INPUT, Event
from edge_sr.graph import Graph

MAGIC = 0x31525345
VERSION = 2

_ENTRIES = {INPUT: 0xFFFFFFFF, EMIT: 0xFFFFFFFE}

_HEADER = struct.Struct("<15I")
_BUFFER = struct.Struct("<5Ii2I")
_OPERATOR = struct.Struct("<11I5i")
_ENTRY = struct.Struct("<Ii")


def pack_plan(
    graph: Graph, nodes: Sequence[Node], memory: MemoryPlan, halo: int, layout: Layout
) -> bytes:
    """The plan with weights in one layout; a multiple of 4 bytes.

    Args:
        graph: gives input and output.
        nodes: the operators that the schedule names.
        memory: the schedule, the rings, the arena and the scratch memory.
        halo: input columns on each side that an output pixel may depend on.
        layout: the order of convolution weights.
    """
    buffers = {tensor: index for index, ring in enumerate(memory.rings) for tensor in ring.tensors}
    entries = list(_entries(nodes, memory.schedule.program))
    calls = [call for node in nodes for call in node.calls]
    start = _HEADER.size + _BUFFER.size * len(memory.rings)
    start += _OPERATOR.size * len(calls) + _ENTRY.size * len(entries)
    constants = Constants(start)
    body = b"".join(
        [
            *(_pack_ring(ring) for ring in memory.rings),
            *(_pack_call(call, buffers, constants, layout) for call in calls),
            *(_ENTRY.pack(*entry) for entry in entries),
        ]
    )
    header = _HEADER.pack(
        MAGIC,
        VERSION,
        layout,
        start + len(constants.data),
        len(memory.rings),
        len(calls),
        len(entries),
        memory.schedule.pixels_per_unit[graph.input.index],
        buffers[graph.input.index],
        buffers[graph.output.index],
        halo,
        memory.schedule.latency,
        memory.arena.per_unit,
        memory.arena.fixed,
        memory.scratch,
    )
    return header + body + bytes(constants.data)


class Constants:
    """Constants after the records: each aligned to 4 bytes, equal ones stored once."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.data = bytearray()
        self.offsets: dict[bytes, int] = {b"": 0}

    def add(self, constant: bytes) -> int:
        """The constant's offset from the plan's start; 0 if it is empty."""
        if constant not in self.offsets:
            self.offsets[constant] = self.start + len(self.data)
            self.data += constant + bytes(-len(constant) % 4)
        return self.offsets[constant]

    def of_call(self, call: KernelCall, weights: bytes) -> tuple[int, int, int]:
        """The offsets of a call's weights, bias and scales."""
        return self.add(weights), self.add(call.bias), self.add(call.scales)


def buffers_of_call(call: KernelCall, buffers: Mapping[int, int]) -> tuple[int, int, int]:
    """The buffers of a call's inputs and of its output; of one input, that one twice."""
    source = buffers[call.source]
    return source, source if call.other is None else buffers[call.other], buffers[call.target]


def first_calls(nodes: Sequence[Node | FrameNode]) -> list[int]:
    """For each operator, the index of its first kernel call among those of all."""
    counts = (len(node.calls) for node in nodes)
    return list(itertools.accumulate(counts, initial=0))


def _entries(nodes: Sequence[Node], program: Sequence[Event]) -> Iterator[tuple[int, int]]:
    """The program's events as the plan's entries: one per kernel call."""
    first = first_calls(nodes)
    for event in program:
        if event.action in _ENTRIES:
            yield _ENTRIES[event.action], event.row
        else:
            for index in range(len(nodes[event.action].calls)):
                yield first[event.action] + index, event.row


def _pack_ring(ring: Ring) -> bytes:
    return _BUFFER.pack(
        ring.pixels_per_unit,
        ring.channels,
        ring.rows,
        ring.padding,
        ring.bottom_padding,
        ring.zero_point,
        ring.offset.per_unit,
        ring.offset.fixed,
    )


def _pack_call(
    call: KernelCall, buffers: Mapping[int, int], constants: Constants, layout: Layout
) -> bytes:
    weights = call.weights
    if call.window is not None:
        weights = pack_weights(call.window, call.groups, layout)
    return _OPERATOR.pack(
        call.kind,
        *buffers_of_call(call, buffers),
        *call.kernel,
        call.groups,
        call.extra,
        *constants.of_call(call, weights),
        call.low,
        call.high,
        *call.zero_points,
    )
