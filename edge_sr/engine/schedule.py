"""Orders the computation of rows, so that each row is needed for a short time.

The output's rows are demanded one after the other; each demands the rows that it reads, down to the
input. So every row is computed as late as possible, just before its first use. After a start the
order repeats itself with every step of input rows; that period is the engine's program.

Selected nodes may run eagerly, as soon as their input is there. On a skip path that saves memory
where a row of output is smaller than the rows of input that would have to wait instead.
"""

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from edge_sr.engine.nodes import Node
from edge_sr.errors import UserError
from edge_sr.graph import Graph

INPUT = -1
"""`Event.action` of an event that takes a row of the input."""

EMIT = -2
"""`Event.action` of an event that gives a row of the output to the caller."""

MAX_PIXELS_PER_UNIT = 256
MAX_EVENTS = 4_000_000


@dataclass(frozen=True)
class Event:
    """A node (its index), INPUT or EMIT, and the row of its output."""

    action: int
    row: int


@dataclass
class _Rows:
    """The rows of one tensor that are computed so far, and the nodes that eagerly read it."""

    producer: int  # a node's index, or INPUT
    done: int = 0
    eager: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Schedule:
    """The program of one step, and the trace from which it was found.

    Attributes:
        pixels_per_unit: columns (and rows) per unit of every tensor that is computed.
        program: the events of one step; rows are relative to step * pixels per unit.
        trace: the events of many steps from the frame's top on, with absolute rows.
        starts: the index in `trace` of each step's first event.
        first_steady: the first step from which on all steps equal the program.
        latency: input rows that must follow a row before its output is known.
    """

    pixels_per_unit: Mapping[int, int]
    program: tuple[Event, ...]
    trace: tuple[Event, ...]
    starts: tuple[int, ...]
    first_steady: int
    latency: int


def pixels_per_unit(graph: Graph, nodes: Sequence[Node]) -> dict[int, int]:
    """Columns (and rows) per unit of each tensor, the smallest whole numbers.

    A unit is the smallest part of a frame that has whole pixels in every tensor.

    Raises:
        UserError: tensors differ in size by more than the engine's limit.
    """
    exact = {graph.input.index: Fraction(1)}
    for node in nodes:
        if all(index in exact for index in node.inputs):
            exact[node.output] = exact[node.inputs[0]] * Fraction(node.up, node.down)
    unit = math.lcm(*(ratio.denominator for ratio in exact.values()))
    pixels = {index: int(ratio * unit) for index, ratio in exact.items()}
    if max(pixels.values()) > MAX_PIXELS_PER_UNIT:
        raise UserError(
            f"the sizes of the model's tensors differ by a factor above {MAX_PIXELS_PER_UNIT}, the "
            "engine's limit"
        )
    return pixels


def needed(graph: Graph, nodes: Sequence[Node]) -> list[Node]:
    """The nodes that the output depends on, in order."""
    tensors, result = {graph.output.index}, []
    for node in reversed(nodes):
        if node.output in tensors:
            tensors.update(node.inputs)
            result.append(node)
    return result[::-1]


class _Run:
    """Records the events that the demands for rows lead to."""

    def __init__(
        self,
        graph: Graph,
        nodes: Sequence[Node],
        pixels_per_unit: Mapping[int, int],
        eager: Collection[int],
    ) -> None:
        self.nodes = nodes
        self.events: list[Event] = []
        self.rows = {graph.input.index: _Rows(INPUT)}
        self.delays = {graph.input.index: 0.0}  # in units; the input with the largest comes first
        for index, node in enumerate(nodes):
            self.rows[node.output] = _Rows(index)
            below = node.kernel[0] // 2 / pixels_per_unit[node.inputs[0]]
            self.delays[node.output] = below + max(self.delays[i] for i in node.inputs)
            if index in eager:
                for source in node.inputs:
                    self.rows[source].eager.append(index)

    def compute(self, tensor: int, row: int) -> None:
        """Compute the tensor's rows up to that one, after the rows that they read.

        The search is depth first, on a stack of its own: networks are deeper than Python's stack.
        """
        stack = [self._demands(tensor, row)]
        while stack:
            demand = next(stack[-1], None)
            if demand is None:
                stack.pop()
            else:
                stack.append(self._demands(*demand))

    def _demands(self, tensor: int, row: int) -> Iterator[tuple[int, int]]:
        """Yield the tensors and rows that must be computed first, and record the events."""
        rows = self.rows[tensor]
        while rows.done <= row:
            next_row = rows.done
            if rows.producer != INPUT:
                node = self.nodes[rows.producer]
                _, last = node.rows(next_row)
                for source in sorted(set(node.inputs), key=lambda index: -self.delays[index]):
                    yield source, last
            if rows.done > next_row:  # it ran eagerly, as soon as its input was there
                continue
            self.events.append(Event(rows.producer, rows.done))
            rows.done += 1
            for index in rows.eager:
                node = self.nodes[index]
                done = self.rows[node.output].done
                while all(self.rows[i].done > node.rows(done)[1] for i in node.inputs):
                    yield node.output, done
                    done += 1


def schedule(
    graph: Graph,
    nodes: Sequence[Node],
    pixels_per_unit: Mapping[int, int],
    eager: Collection[int] = (),
) -> Schedule:
    """Find the period of the order in which rows are computed.

    Args:
        graph: gives input and output.
        nodes: as `needed` gives them.
        pixels_per_unit: as the function of this name gives them.
        eager: indices of nodes that run as soon as they can.

    Raises:
        UserError: the network is too deep for the engine.
    """
    run = _Run(graph, nodes, pixels_per_unit, eager)
    out_pixels = pixels_per_unit[graph.output.index]
    in_pixels = pixels_per_unit[graph.input.index]
    reach = math.ceil(max(run.delays.values())) + 1
    for row in range((3 * reach + 8) * out_pixels):
        run.compute(graph.output.index, row)
        run.events.append(Event(EMIT, row))
        if len(run.events) > MAX_EVENTS:
            raise UserError("the model is too deep for the engine")
    starts = tuple(
        index
        for index, event in enumerate(run.events)
        if event.action == INPUT and event.row % in_pixels == 0
    )
    rows_per_step = {INPUT: in_pixels, EMIT: out_pixels}
    rows_per_step |= {index: pixels_per_unit[node.output] for index, node in enumerate(nodes)}
    steps = [
        tuple(
            Event(event.action, event.row - step * rows_per_step[event.action])
            for event in run.events[start:stop]
        )
        for step, (start, stop) in enumerate(itertools.pairwise(starts))
    ]
    program = steps[-1]
    first_steady = next(step for step in range(len(steps)) if set(steps[step:]) == {program})
    assert first_steady <= len(steps) - reach - 2
    latency = _latency(run.events, out_pixels, in_pixels)
    return Schedule(pixels_per_unit, program, tuple(run.events), starts, first_steady, latency)


def _latency(events: Sequence[Event], out_pixels: int, in_pixels: int) -> int:
    """The most input rows by which an output row follows its own input row."""
    last_input = most = 0
    for event in events:
        if event.action == INPUT:
            last_input = event.row
        elif event.action == EMIT:
            most = max(most, last_input - event.row * in_pixels // out_pixels)
    return most
