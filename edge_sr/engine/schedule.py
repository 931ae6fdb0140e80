"""When each row is computed, and how long it is needed.

The order is found by asking for the output's rows one after the other: each asks for the rows that
it reads, down to the input. So every row is made as late as possible, just before its first use,
and long skip paths keep what is smallest where it can wait. After a start the order repeats itself
with every step of input rows; that period is the engine's program.

The planner may ask for some nodes to run eagerly, as soon as their input is there: it does so where
a row of output is smaller than what would have to be kept instead.
"""

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from edge_sr.engine.lower import Node
from edge_sr.errors import UserError
from edge_sr.graph import Graph

INPUT = -1
"""What of an event that takes a row of the input."""

EMIT = -2
"""What of an event that hands a row of the output to the caller."""

MAX_RATE = 256
MAX_EVENTS = 4_000_000


@dataclass(frozen=True)
class Event:
    """A node (an index), INPUT or EMIT, and the row of its output."""

    what: int
    row: int


@dataclass
class _Rows:
    """Rows of one tensor so far."""

    producer: int  # a node, or INPUT
    done: int = 0
    eager: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Schedule:
    """The program of one step, and what it says about rows.

    Attributes:
        rates: rows (and columns) per unit, of every tensor that is computed.
        program: the events of one step; rows are relative to step * rate.
        trace: events of many steps, rows absolute, from the frame's top on.
        starts: the index in `trace` of each step's first event.
        settled: the first step from which on all steps are the program.
        latency: input rows that must follow a row before its output is known.
    """

    rates: Mapping[int, int]
    program: tuple[Event, ...]
    trace: tuple[Event, ...]
    starts: tuple[int, ...]
    settled: int
    latency: int


def rates(graph: Graph, nodes: Sequence[Node]) -> dict[int, int]:
    """Rows per unit of each tensor, the smallest whole numbers.

    Raises:
        UserError: a path through the graph changes sizes too much for the engine.
    """
    exact = {graph.input.index: Fraction(1)}
    for node in nodes:
        if all(index in exact for index in node.inputs):
            exact[node.output] = exact[node.inputs[0]] * Fraction(node.up, node.down)
    unit = math.lcm(*(rate.denominator for rate in exact.values()))
    found = {index: int(rate * unit) for index, rate in exact.items()}
    if max(found.values()) > MAX_RATE:
        raise UserError(f"the model's sizes differ by more than the engine's {MAX_RATE} times")
    return found


def needed(graph: Graph, nodes: Sequence[Node]) -> list[Node]:
    """The nodes that the output depends on, in order."""
    wanted, found = {graph.output.index}, []
    for node in reversed(nodes):
        if node.output in wanted:
            wanted.update(node.inputs)
            found.append(node)
    return found[::-1]


class _Run:
    """Plays the demands of one output row after the other."""

    def __init__(
        self, graph: Graph, nodes: Sequence[Node], rates: Mapping[int, int], eager: Collection[int]
    ) -> None:
        self.nodes = nodes
        self.events: list[Event] = []
        self.rows = {graph.input.index: _Rows(INPUT)}
        self.delays = {graph.input.index: 0.0}  # units, to ask for the latest input first
        for index, node in enumerate(nodes):
            self.rows[node.output] = _Rows(index)
            below = node.kernel[0] // 2 / rates[node.inputs[0]]
            self.delays[node.output] = below + max(self.delays[i] for i in node.inputs)
            if index in eager:
                for source in node.inputs:
                    self.rows[source].eager.append(index)

    def make(self, tensor: int, row: int) -> None:
        """Compute the tensor's rows up to that one, first of all what they read.

        Depth first on a stack of our own: networks are deeper than Python's.
        """
        stack = [self._making(tensor, row)]
        while stack:
            demand = next(stack[-1], None)
            if demand is None:
                stack.pop()
            else:
                stack.append(self._making(*demand))

    def _making(self, tensor: int, row: int) -> Iterator[tuple[int, int]]:
        """Yields what must be made before going on."""
        rows = self.rows[tensor]
        while rows.done <= row:
            due = rows.done
            if rows.producer != INPUT:
                node = self.nodes[rows.producer]
                _, last = node.rows(due)
                for source in sorted(set(node.inputs), key=lambda index: -self.delays[index]):
                    yield source, last
            if rows.done > due:  # it ran eagerly, as soon as what it reads was there
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
    graph: Graph, nodes: Sequence[Node], rates: Mapping[int, int], eager: Collection[int] = ()
) -> Schedule:
    """Find the period of the order in which rows are computed.

    Args:
        graph: gives input and output.
        nodes: as `needed` gives them.
        rates: as `rates` gives them.
        eager: indices of nodes that run as soon as they can.

    Raises:
        UserError: the network is too deep for the engine.
    """
    run = _Run(graph, nodes, rates, eager)
    out_rate, in_rate = rates[graph.output.index], rates[graph.input.index]
    reach = math.ceil(max(run.delays.values())) + 1
    for row in range((3 * reach + 8) * out_rate):
        run.make(graph.output.index, row)
        run.events.append(Event(EMIT, row))
        if len(run.events) > MAX_EVENTS:
            raise UserError("the model is too deep for the engine")
    starts = tuple(
        place
        for place, event in enumerate(run.events)
        if event.what == INPUT and event.row % in_rate == 0
    )
    step_rates = {INPUT: in_rate, EMIT: out_rate}
    step_rates |= {index: rates[node.output] for index, node in enumerate(nodes)}
    steps = [
        tuple(
            Event(event.what, event.row - step * step_rates[event.what])
            for event in run.events[start:stop]
        )
        for step, (start, stop) in enumerate(itertools.pairwise(starts))
    ]
    program = steps[-1]
    settled = next(place for place in range(len(steps)) if set(steps[place:]) == {program})
    assert settled <= len(steps) - reach - 2
    latency = _latency(run.events, out_rate, in_rate)
    return Schedule(rates, program, tuple(run.events), starts, settled, latency)


def _latency(events: Sequence[Event], out_rate: int, in_rate: int) -> int:
    last_input = most = 0
    for event in events:
        if event.what == INPUT:
            last_input = event.row
        elif event.what == EMIT:
            most = max(most, last_input - event.row * in_rate // out_rate)
    return most
