"""Finds the border in a frame plan between layers that stream and layers on whole tensors.

Early layers start before their input is complete: they need a few rows of it at a time. The border
is the first layer that starts when all of its input has been computed. From there on no input row
is needed any more, and the layers run on tensors that lie in memory as a whole.
"""

from dataclasses import dataclass

from edge_sr.engine.frame_plan import FramePlan
from edge_sr.engine.schedule import INPUT


@dataclass(frozen=True)
class Border:
    """How the layers of a frame plan run.

    Attributes:
        event: the first event of a layer on whole tensors; the number of events if all stream.
        streaming: positions of the plan's nodes that start before the border.
        whole: positions of the others.
    """

    event: int
    streaming: tuple[int, ...]
    whole: tuple[int, ...]


def find_border(plan: FramePlan) -> Border:
    """Find the border of a frame plan."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for time, event in enumerate(plan.program):
        first.setdefault(event.action, time)
        last[event.action] = time
    producers = {node.output: index for index, node in enumerate(plan.nodes)}
    on_whole = [
        first[index]
        for index, node in enumerate(plan.nodes)
        if all(first[index] > last[producers.get(source, INPUT)] for source in node.inputs)
    ]
    border = min(on_whole, default=len(plan.program))
    nodes = range(len(plan.nodes))
    streaming = tuple(index for index in nodes if first[index] < border)
    return Border(border, streaming, tuple(index for index in nodes if first[index] >= border))
