"""Checks that no live row of a frame plan is overwritten, byte by byte.

The check replays the frame's events on an arena of labels: a write puts a label of its own into all
bytes of its slot, and a read demands the label of the row that it expects. An operator's scratch
memory is filled before it reads, and must be untouched after it wrote. The check uses neither the
planner's lifetimes nor its padding. The tests run it; `make_frame_plan` does not.
"""

import numpy as np

from edge_sr.engine.frame_nodes import FrameNode
from edge_sr.engine.frame_plan import FramePlan
from edge_sr.engine.frame_rings import FrameRing
from edge_sr.engine.frame_schedule import output_of
from edge_sr.engine.schedule import INPUT
from edge_sr.errors import VerificationError

_SCRATCH = -2


def check_frame_overlap(plan: FramePlan) -> None:
    """Check the memory of a frame plan.

    Raises:
        VerificationError: an event reads a row that was overwritten or never written, an operator
            overwrites its scratch memory, or memory lies outside the arena; the message names the
            tensors.
    """
    for scratch in plan.scratches:
        if scratch.offset < 0 or scratch.offset + scratch.size > plan.arena:
            raise VerificationError(
                f"the scratch of tensor {scratch.tensor} lies outside the arena"
            )
    for ring in plan.rings:
        if ring.offset < 0 or ring.offset + ring.size > plan.arena:
            raise VerificationError(f"the ring of {', '.join(ring.names)} lies outside the arena")
    _Replay(plan).run()


class _Replay:
    def __init__(self, plan: FramePlan) -> None:
        self.plan = plan
        self.rings = {tensor: ring for ring in plan.rings for tensor in ring.tensors}
        produced = {node.output for node in plan.nodes}
        (self.input,) = {i for node in plan.nodes for i in node.inputs} - produced
        self.labels = np.zeros(plan.arena, np.int64)
        self.scratches = {
            item.tensor: self.labels[item.offset : item.offset + item.size]
            for item in plan.scratches
        }
        self.known: dict[tuple[int, int], int] = {}

    def run(self) -> None:
        for event in self.plan.program:
            output = output_of(event)
            if event.action == INPUT:
                self._write(self.input, event.row)
            elif output is not None:
                self._read(self.plan.outputs[output], event.row, "the output")
            else:
                self._compute(self.plan.nodes[event.action], event.row)

    def _compute(self, node: FrameNode, row: int) -> None:
        inside = 0 <= row < self.rings[node.output].height
        scratch = self.scratches.get(node.output, self.labels[:0]) if inside else self.labels[:0]
        scratch[:] = _SCRATCH
        for source in node.inputs if inside else ():
            for read in node.rows_of(source, row):
                self._read(source, read, node.label)
        if inside and node.resumes(row):
            self._read(node.output, row - 1, node.label)
        self._write(node.output, row)
        if not (scratch == _SCRATCH).all():
            raise VerificationError(f"{node.label} overwrites its scratch memory")

    def _bytes(self, tensor: int, row: int) -> np.ndarray:
        ring: FrameRing = self.rings[tensor]
        slot = (row + ring.padding[0]) % ring.rows
        start = ring.offset + slot * ring.stride
        return self.labels[start : start + ring.stride]

    def _write(self, tensor: int, row: int) -> None:
        label = len(self.known) + 1
        self.known[tensor, row] = label
        self._bytes(tensor, row)[:] = label

    def _read(self, tensor: int, row: int, reader: str) -> None:
        if not (self._bytes(tensor, row) == self.known.get((tensor, row), -1)).all():
            ring = self.rings[tensor]
            name = ring.names[ring.tensors.index(tensor)]
            raise VerificationError(
                f"{reader} reads row {row} of tensor {name!r}, which was overwritten"
            )
