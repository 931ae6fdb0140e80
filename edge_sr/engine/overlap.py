"""Checks that no two live rows of a plan share a byte of the arena.

The check replays the engine: a whole frame, event by event, from `esr_begin`, which fills the rows
above the frame, to `esr_end`, which fills the rows below it. It keeps a record of which row lies in
each slot of each ring, and fails

- where a write destroys a row that a later event reads,
- where an event reads a slot that does not hold the row it expects,
- where a ring overlaps the engine's state before the rings or the scratch memory behind them.

The check does not use the planner's lifetimes: a row lives from its write to its last read in the
replay. Within a ring, row r lies in slot r modulo the number of slots. Between rings, a ring with a
live row owns all its bytes, because its rows move through all slots from step to step. Offsets and
sizes are linear in the width, so two rings are apart at every width if they are apart, in the same
order, at the smallest and at the largest width.

The tests run this check on every shipped network and on random ones; `make_plan` does not.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from edge_sr.engine.memory_plan import Ring
from edge_sr.engine.plan import ALIGNED_UNITS, MAX_UNITS, Plan
from edge_sr.engine.schedule import EMIT, INPUT, Event
from edge_sr.errors import VerificationError

Row = tuple[int, int]
"""A tensor and its row; rows above the frame are negative."""


def check_overlap(plan: Plan) -> None:
    """Check the memory of a plan at every width, on a tall frame and on one of a single unit.

    Raises:
        VerificationError: two live rows share bytes, or a ring overlaps the engine's state or the
            scratch memory; the message names the tensors.
    """
    for ring in plan.rings:
        _check_bounds(plan, ring)
    for units in (1, 2 * _steps_late(plan) + 3):
        _Replay(plan, units).run()


# --- bytes


def _extent(ring: Ring, units: int) -> tuple[int, int]:
    """The ring's first byte and the byte behind its last one.

    Offset 0 is the first byte behind the engine's state, which begins the arena.
    """
    padding = -(-ring.padding * ring.channels // 4) * 4
    stride = units * ring.pixels_per_unit * ring.channels + 2 * padding
    start = ring.offset.at(units)
    return start, start + ring.rows * stride


def _apart(a: Ring, b: Ring) -> bool:
    """Whether the rings share no byte at any width."""
    ends = [(_extent(a, units), _extent(b, units)) for units in (ALIGNED_UNITS, MAX_UNITS)]
    a_first = all(first[1] <= second[0] for first, second in ends)
    b_first = all(second[1] <= first[0] for first, second in ends)
    return a_first or b_first


def _check_bounds(plan: Plan, ring: Ring) -> None:
    for units in (ALIGNED_UNITS, MAX_UNITS):
        start, stop = _extent(ring, units)
        if start < 0:
            raise VerificationError(f"the ring of {_name(ring)} overlaps the engine's state")
        if stop > plan.arena.at(units):
            raise VerificationError(f"the ring of {_name(ring)} overlaps the scratch memory")


def _name(ring: Ring) -> str:
    return ", ".join(ring.names)


# --- what the engine does


@dataclass(frozen=True)
class _Action:
    """One event of a frame: the row that it writes, the rows that it reads.

    Attributes:
        text: the event, for messages.
        write: the row that the event writes, if any.
        reads: the rows that it reads.
        in_place: the tensors among them that it may overwrite while it reads them.
    """

    text: str
    write: Row | None = None
    reads: tuple[Row, ...] = ()
    in_place: tuple[int, ...] = ()


def _steps_late(plan: Plan) -> int:
    """Steps from an input row to the last output row that needs it."""
    first = next(event.row for event in plan.program if event.action == EMIT)
    return -(first // plan.out_pixels_per_unit)


@dataclass
class _Replay:
    """Replays a frame of a height in units.

    Attributes:
        plan: the plan.
        units: the frame's height.
        slots: the row last written to each slot, by the ring's index and the slot's.
    """

    plan: Plan
    units: int
    slots: dict[tuple[int, int], Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rings = self.plan.rings
        self.ring_of = {
            tensor: index for index, ring in enumerate(rings) for tensor in ring.tensors
        }
        self.output = self.plan.nodes[-1].output
        produced = {node.output for node in self.plan.nodes}
        (self.input,) = {i for node in self.plan.nodes for i in node.inputs} - produced
        self.shares = [
            [b for b in range(len(rings)) if b != a and not _apart(rings[a], rings[b])]
            for a in range(len(rings))
        ]
        self.last_read: dict[Row, int] = {}
        self.live: list[set[Row]] = [set() for _ in rings]

    def run(self) -> None:
        """Replay the frame.

        Raises:
            VerificationError: a live row is overwritten, or is not where it is read.
        """
        actions = list(self._actions())
        for time, action in enumerate(actions):
            self.last_read |= dict.fromkeys(action.reads, time)
        ends = defaultdict(list)
        for row, time in self.last_read.items():
            ends[time].append(row)
        for row in self.last_read:
            if row[1] < 0:
                self._fill_above(row)
        for time, action in enumerate(actions):
            for row in action.reads:
                self._check_read(action, row)
            if action.write is not None:
                self._write(time, action)
            for row in ends[time]:
                self.live[self.ring_of[row[0]]].discard(row)

    def _fill_above(self, row: Row) -> None:
        """Write a row above the frame, which `esr_begin` does by filling ring after ring."""
        ring, slot = self.ring_of[row[0]], self._slot(row)
        if self.shares[ring]:
            names = _name(self.plan.rings[self.shares[ring][0]])
            raise VerificationError(
                f"{self._text(row)}, padding above the frame, shares bytes with the ring of {names}"
            )
        self.slots[slot] = row
        self.live[ring].add(row)

    def _check_read(self, action: _Action, row: Row) -> None:
        if self.slots.get(self._slot(row)) != row:
            raise VerificationError(
                f"{action.text} reads {self._text(row)}, which its slot does not hold"
            )

    def _write(self, time: int, action: _Action) -> None:
        assert action.write is not None
        ring, slot = self.ring_of[action.write[0]], self._slot(action.write)
        lost = [row for other in self.shares[ring] for row in self.live[other]]
        before = self.slots.get(slot)
        if before in self.live[ring]:
            in_place = before[0] in action.in_place and self.last_read[before] == time
            lost += [] if in_place else [before]
        if lost:
            raise VerificationError(
                f"{action.text} writes {self._text(action.write)} over {self._text(lost[0])}, "
                "which is still needed"
            )
        self.slots[slot] = action.write
        if self.last_read.get(action.write, -1) > time:
            self.live[ring].add(action.write)

    def _slot(self, row: Row) -> tuple[int, int]:
        ring = self.ring_of[row[0]]
        return ring, row[1] % self.plan.rings[ring].rows

    def _text(self, row: Row) -> str:
        ring = self.plan.rings[self.ring_of[row[0]]]
        return f"row {row[1]} of tensor {ring.names[ring.tensors.index(row[0])]!r}"

    def _actions(self) -> Iterator[_Action]:
        steps = range(self.units + _steps_late(self.plan))
        for step, event in itertools.product(steps, self.plan.program):
            action = self._action(step, event)
            if action is not None:
                yield action

    def _action(self, step: int, event: Event) -> _Action | None:
        """What the engine does for an event in a step; None if the row is not of the frame."""
        tensor = {INPUT: self.input, EMIT: self.output}.get(event.action)
        if tensor is None:
            tensor = self.plan.nodes[event.action].output
        ring = self.plan.rings[self.ring_of[tensor]]
        row = step * ring.pixels_per_unit + event.row
        below = row - self.units * ring.pixels_per_unit
        if row < 0:
            return None
        if event.action == EMIT:
            return _Action("the output", reads=((tensor, row),)) if below < 0 else None
        if below >= 0:
            fills = below < ring.bottom_padding
            return _Action("the padding below the frame", write=(tensor, row)) if fills else None
        if event.action == INPUT:
            return _Action("the input", write=(tensor, row))
        node = self.plan.nodes[event.action]
        first, last = node.rows(row)
        reads = tuple((source, i) for source in node.inputs for i in range(first, last + 1))
        return _Action(node.label, (tensor, row), reads, node.in_place)
