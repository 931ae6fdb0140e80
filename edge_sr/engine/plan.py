"""Plans how the engine streams a network: exact RAM, latency, and the bytes that the engine runs.

`make_plan` composes the steps: `lower.py` turns operators into kernel calls, `schedule.py` orders
their rows, `memory_plan.py` places ring buffers in the arena, and `plan_format.py` writes the bytes
that the C code in `c/` runs. `c_source.py` writes the same plan as C arrays.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edge_sr.engine.blobs import Blobs
from edge_sr.engine.lower import lower
from edge_sr.engine.memory_plan import Ring, Size, plan_memory
from edge_sr.engine.nodes import Node
from edge_sr.engine.packing import Layout
from edge_sr.engine.plan_format import pack_plan
from edge_sr.engine.schedule import Event, needed, pixels_per_unit
from edge_sr.errors import UserError
from edge_sr.graph import Graph, macs_per_pixel

HEAD_BYTES = 128
"""Bytes at the start of the arena for the engine's own state."""

MAX_UNITS = 1048576
MAX_ARENA = 2**31 - 1

ALIGNED_UNITS = 4
"""Rings are laid out for a multiple of this many units, which aligns their rows."""


@dataclass(frozen=True)
class Plan(Blobs):
    """A network, ready to be streamed.

    Attributes:
        rings: all ring buffers, in the order of the plan's records.
        program: the events of one step; see `schedule.Event`.
        nodes: the operators that the program names.
        pixels_per_unit: input rows and columns of a unit; widths and heights are multiples of it.
        out_pixels_per_unit: output rows and columns of a unit.
        arena: bytes of all rings together, shared memory counted once.
        scratch: bytes that convolutions use while they compute a row; they follow the rings.
        halo: input columns on each side that an output pixel may depend on.
        latency: input rows that must follow a row before its output is known.
        macs: multiply-accumulates per input pixel.
    """

    rings: tuple[Ring, ...]
    program: tuple[Event, ...]
    nodes: tuple[Node, ...]
    pixels_per_unit: int
    out_pixels_per_unit: int
    arena: Size
    scratch: int
    halo: int
    latency: int
    macs: int | float

    def padded_units(self, width: int) -> int:
        """Units for which rings are laid out at a width in pixels: rounded up for alignment."""
        return -(-width // self.pixels_per_unit // ALIGNED_UNITS) * ALIGNED_UNITS

    def arena_bytes(self, width: int) -> int:
        """RAM of the engine for frames of that width, exactly what `esr_arena_bytes` returns.

        Raises:
            UserError: the network cannot run at this width.
        """
        step = self.pixels_per_unit
        units, rest = divmod(width, step)
        total = HEAD_BYTES + self.arena.at(self.padded_units(width)) + self.scratch
        if rest or not 1 <= units <= MAX_UNITS or total > MAX_ARENA:
            widths = "whole numbers from 1" if step == 1 else f"multiples of {step} from {step}"
            raise UserError(
                f"the model cannot run at width {width}; it takes {widths} to {MAX_UNITS * step} "
                "with an arena below 2 GiB"
            )
        return total


def make_plan(graph: Graph) -> Plan:
    """Plan an int8 graph.

    Raises:
        UserError: the engine does not support an operator, type or size of the graph; the message
            names it.
    """
    nodes = needed(graph, lower(graph))
    memory = plan_memory(graph, nodes, pixels_per_unit(graph, nodes))
    order = memory.schedule
    halo = _halo(graph, nodes)
    return Plan(
        rings=memory.rings,
        program=order.program,
        nodes=tuple(nodes),
        pixels_per_unit=order.pixels_per_unit[graph.input.index],
        out_pixels_per_unit=order.pixels_per_unit[graph.output.index],
        arena=memory.arena,
        scratch=memory.scratch,
        halo=halo,
        latency=order.latency,
        macs=macs_per_pixel(graph),
        blobs={layout: pack_plan(graph, nodes, memory, halo, layout) for layout in Layout},
    )


def _halo(graph: Graph, nodes: Sequence[Node]) -> int:
    """Input columns on each side that an output pixel may depend on."""
    halos = {graph.output.index: 0}
    for node in reversed(nodes):
        halo = -(-halos.get(node.output, 0) // node.up) * node.down + node.kernel[1] // 2
        for source in node.inputs:
            halos[source] = max(halos.get(source, 0), halo)
    return halos[graph.input.index]
