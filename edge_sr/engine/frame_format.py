"""Writes a frame plan's bytes, which the engine reads; `c/esr_frame_plan.h` has the format."""

import struct
from collections.abc import Mapping

from edge_sr.engine.frame_memory import FrameMemory
from edge_sr.engine.frame_rings import FrameRing
from edge_sr.engine.frame_schedule import output_of
from edge_sr.engine.nodes import KernelCall, Kind
from edge_sr.engine.packing import Layout, compact_weights, pack_weights, takes
from edge_sr.engine.plan_format import MAGIC, Constants, buffers_of_call, first_calls
from edge_sr.engine.schedule import INPUT
from edge_sr.errors import UserError

VERSION = 3
MAX_ENTRIES = 1_048_576

_INPUT = 0xFFFF
_EMIT = 0xFFFE  # minus the position of the output

_HEADER = struct.Struct("<11I")
_BUFFER = struct.Struct("<8HiI")
_OPERATOR = struct.Struct("<4I8H5I5i2I")
_ENTRY = struct.Struct("<2H")


def kinds_of(blob: bytes) -> frozenset[int]:
    """The kinds of the operators in a plan's bytes."""
    _, _, _, _, rings, calls, *_ = _HEADER.unpack_from(blob)
    start = _HEADER.size + rings * _BUFFER.size
    records = blob[start : start + calls * _OPERATOR.size]
    return frozenset(kind for kind, *_ in _OPERATOR.iter_unpack(records))


def pack_frame_plan(memory: FrameMemory, layout: Layout) -> bytes:
    """The plan with weights in one layout; a multiple of 4 bytes.

    Args:
        memory: the operators, the order of their rows, and where these lie.
        layout: the order of weights of the convolutions that its kernels take.

    Raises:
        UserError: the program has too many entries.
    """
    graph = memory.graph
    buffers = {tensor: index for index, ring in enumerate(memory.rings) for tensor in ring.tensors}
    calls = [call for node in memory.nodes for call in node.calls]
    entries = b"".join(_entries(memory, buffers))
    outputs = struct.pack(f"<{len(graph.outputs)}I", *(buffers[index] for index in graph.outputs))
    start = (
        _HEADER.size
        + _BUFFER.size * len(memory.rings)
        + _OPERATOR.size * len(calls)
        + len(entries)
        + len(outputs)
    )
    constants = Constants(start)
    operators = b"".join(_pack_call(call, memory, buffers, constants, layout) for call in calls)
    header = _HEADER.pack(
        MAGIC,
        VERSION,
        layout,
        start + len(constants.data),
        len(memory.rings),
        len(calls),
        len(entries) // _ENTRY.size,
        buffers[graph.input.index],
        len(graph.outputs),
        memory.schedule.latency,
        memory.arena,
    )
    records = b"".join(map(_pack_ring, memory.rings)) + operators + entries + outputs
    return header + records + bytes(constants.data)


def _entries(memory: FrameMemory, buffers: Mapping[int, int]) -> list[bytes]:
    """The events, one entry per kernel call; a row of padding takes one."""
    graph = memory.graph
    first, entries = first_calls(memory.nodes), []
    for event in memory.schedule.events:
        output = output_of(event)
        if event.action == INPUT:
            tensor, actions = graph.input.index, [_INPUT]
        elif output is not None:
            tensor, actions = graph.outputs[output], [_EMIT - output]
        else:
            node = memory.nodes[event.action]
            tensor = node.output
            inside = 0 <= event.row < graph.tensors[tensor].shape[1]
            calls = node.calls_of(event.row) if inside else range(1)
            actions = [first[event.action] + call for call in calls]
        row = event.row + memory.rings[buffers[tensor]].padding[0]
        entries += [_ENTRY.pack(action, row) for action in actions]
    if len(entries) > MAX_ENTRIES:
        raise UserError("the model's frame has too many rows for a plan of the engine")
    return entries


def _pack_ring(ring: FrameRing) -> bytes:
    return _BUFFER.pack(
        ring.height,
        ring.width,
        ring.channels,
        ring.rows,
        *ring.padding,
        ring.zero_point,
        ring.offset,
    )


_PACKED = {Kind.ANY_CONV: Kind.CONV, Kind.ANY_DEPTHWISE: Kind.DEPTHWISE}


def _weights(call: KernelCall, layout: Layout, pixels: int) -> tuple[Kind, bytes]:
    """The kernel that a call has in a layout, and its weights."""
    if call.window is None:
        return call.kind, call.weights
    if takes(layout, call, pixels):
        return _PACKED[call.kind], pack_weights(call.window, call.groups, layout)
    return call.kind, compact_weights(call.window, call.groups, layout)


def _pack_call(
    call: KernelCall,
    memory: FrameMemory,
    buffers: Mapping[int, int],
    constants: Constants,
    layout: Layout,
) -> bytes:
    kind, weights = _weights(call, layout, memory.rings[buffers[call.target]].width)
    scratch = memory.scratch_of(call.target)
    return _OPERATOR.pack(
        kind,
        *buffers_of_call(call, buffers),
        *call.kernel,
        *call.stride,
        *call.dilation,
        *call.padding,
        call.groups,
        call.extra | call.up[0] | call.up[1] << 16,
        *constants.of_call(call, weights),
        call.low,
        call.high,
        *call.zero_points,
        scratch.offset,
        scratch.size,
    )
