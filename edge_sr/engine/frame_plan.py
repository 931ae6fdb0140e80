"""Plans how the engine runs a network on frames of one size: classifiers, strides, any padding.

`make_frame_plan` composes the steps: `frame_lower.py` turns operators into kernel calls,
`frame_schedule.py` orders the rows of the whole frame, `frame_memory.py` places ring buffers, and
`frame_format.py` writes the bytes that the C code runs. A network of `lower.py`'s operators alone
runs on frames of any size, too: `plan.py`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from edge_sr.engine.blobs import Blobs
from edge_sr.engine.frame_format import pack_frame_plan
from edge_sr.engine.frame_lower import as_images, lower_frame
from edge_sr.engine.frame_memory import FrameMemory, FrameScratch, plan_frame_memory
from edge_sr.engine.frame_nodes import MAX_SIDE, FrameNode
from edge_sr.engine.frame_rings import FrameRing, Padding, owners_of, paddings_of
from edge_sr.engine.frame_transposed import macs_of
from edge_sr.engine.packing import Layout
from edge_sr.engine.plan import HEAD_BYTES, MAX_ARENA
from edge_sr.engine.schedule import Event
from edge_sr.engine.weights import Weights, choose_weights
from edge_sr.errors import UserError
from edge_sr.graph import Graph


@dataclass(frozen=True)
class FramePlan(Blobs):
    """A network, ready to run on frames of one size.

    Attributes:
        in_shape: (height, width, channels) of the input.
        out_shapes: the same of each output; a vector of N values is (1, 1, N).
        outputs: tensors of the outputs.
        rings: all ring buffers, in the order of the plan's records.
        scratches: memory that convolutions use while they compute a row.
        program: the events of the frame.
        nodes: the operators that the program names.
        arena: bytes of rings and scratch memory, shared memory counted once.
        latency: input rows that must follow a row before its output is known.
        macs: multiply-accumulates of a frame.
        memory: what the bytes are made from.
    """

    in_shape: tuple[int, int, int]
    out_shapes: tuple[tuple[int, int, int], ...]
    outputs: tuple[int, ...]
    rings: tuple[FrameRing, ...]
    scratches: tuple[FrameScratch, ...]
    program: tuple[Event, ...]
    nodes: tuple[FrameNode, ...]
    arena: int
    latency: int
    macs: int
    memory: FrameMemory = field(repr=False)

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the first output."""
        return self.out_shapes[0]

    @property
    def arena_bytes(self) -> int:
        """RAM of the engine, exactly what `esr_arena_bytes` returns."""
        return HEAD_BYTES + self.arena

    def flash_bytes_with(self, weights: Weights) -> int:
        """`flash_bytes` with another choice of weights."""
        nodes = choose_weights(self.memory.graph, self.memory.nodes, weights)
        memory = replace(self.memory, nodes=nodes)
        return max(len(pack_frame_plan(memory, layout)) for layout in Layout)


def make_frame_plan(graph: Graph, weights: Weights = Weights.AUTO) -> FramePlan:
    """Plan an int8 graph for frames of the size of its input.

    Args:
        graph: the network.
        weights: which convolutions get weights that take more than one byte each.

    Raises:
        UserError: the engine does not support an operator, type or size of the graph; the message
            names it.
    """
    graph = as_images(graph)
    nodes = choose_weights(graph, lower_frame(graph), weights)
    _check_sizes(graph, paddings_of(graph, nodes, owners_of(graph, nodes)))
    return frame_plan_of(plan_frame_memory(graph, nodes))


def frame_plan_of(memory: FrameMemory) -> FramePlan:
    """The plan of operators in memory.

    Raises:
        UserError: the arena or the program is too large for the engine.
    """
    if HEAD_BYTES + memory.arena > MAX_ARENA:
        raise UserError("the model needs an arena of 2 GiB or more, the engine's limit")
    graph = memory.graph
    return FramePlan(
        in_shape=_shape(graph, graph.input.index),
        out_shapes=tuple(_shape(graph, index) for index in graph.outputs),
        outputs=graph.outputs,
        rings=memory.rings,
        scratches=memory.scratches,
        program=tuple(memory.schedule.events),
        nodes=memory.nodes,
        arena=memory.arena,
        latency=memory.schedule.latency,
        macs=sum(_macs(graph, node) for node in memory.nodes),
        memory=memory,
        blobs={layout: pack_frame_plan(memory, layout) for layout in Layout},
    )


def _shape(graph: Graph, tensor: int) -> tuple[int, int, int]:
    _, height, width, channels = graph.tensors[tensor].shape
    return height, width, channels


def _check_sizes(graph: Graph, paddings: Mapping[int, Padding]) -> None:
    for index, (top, bottom, left, right) in paddings.items():
        tensor = graph.tensors[index]
        _, height, width, _ = tensor.shape
        if max(top + height + bottom, left + width + right) > MAX_SIDE:
            raise UserError(
                f"{tensor} of shape {tensor.shape} has more than {MAX_SIDE} rows or columns with "
                "its padding, the engine's limit"
            )


def _macs(graph: Graph, node: FrameNode) -> int:
    """Multiply-accumulates of a convolution or a dense layer in a frame."""
    (call, *_) = node.calls
    if call.window is None:
        return 0
    if call.up != (0, 0):
        return macs_of(graph.tensors[call.source].shape, node.calls)
    taps = math.prod(call.window.shape[1:])
    return math.prod(graph.tensors[call.target].shape) * taps
