"""Draw the arena of a plan: which ring lies where, and when."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_sr.engine.memory_plan import Ring
from edge_sr.engine.plan import HEAD_BYTES, Plan
from edge_sr.engine.schedule import EMIT, INPUT, Event
from edge_sr.files import replacing

_MAX_INCHES = 100.0

_ALWAYS, _SOMETIMES, _HEAD = "#88bbdd", "#eecc66", "#bbbbbb"


def draw(out: Path, plan: Plan, width: int, title: str) -> None:
    """Draw a plan's arena: addresses upwards, the events of one step to the right.

    Args:
        out: the file to write; its suffix sets the format.
        plan: the plan.
        width: frame width in pixels.
        title: above the picture.

    Raises:
        UserError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    events = len(plan.program)
    figure = Figure(
        figsize=(min(max(8.0, 1.5 + 0.6 * events), _MAX_INCHES), 5.5), layout="constrained"
    )
    axis = figure.add_subplot()
    _draw_box(axis, (0, events), (0, HEAD_BYTES), "", _HEAD)
    for ring in plan.rings:
        _draw_ring(axis, plan, ring, width)
    end = plan.arena_bytes(width)
    scratch = (end - plan.scratch, plan.scratch)
    _draw_box(axis, (0, events), scratch, "kernel scratch (im2col)", _SOMETIMES)
    axis.set_xlim(0, events)
    axis.set_ylim(0, end)
    axis.set_xticks(
        [place + 0.5 for place in range(events)],
        [_event_label(plan, event) for event in plan.program],
        rotation=90,
        fontsize=7,
    )
    axis.set_xlabel("events of one step of the engine, in order")
    axis.set_ylabel("offset in the arena, bytes")
    axis.set_title(f"{title}: {end:,} bytes at width {width}", fontsize=10)
    figure.legend(handles=_legend(), fontsize=8, loc="outside lower center", ncols=3)
    with replacing(out) as temporary:
        figure.savefig(temporary, format=out.suffix.lower().removeprefix("."), dpi=110)


def _draw_ring(axis: Any, plan: Plan, ring: Ring, width: int) -> None:
    """Draw a box for every span of events in which the ring holds rows."""
    units = plan.padded_units(width)
    start, size = HEAD_BYTES + ring.offset.at(units), ring.size.at(units)
    label = f"{_makers(plan, ring)}\n{ring.rows} x {size // ring.rows:,} bytes"
    if ring.lifetimes is None:
        _draw_box(axis, (0, len(plan.program)), (start, size), label.replace("\n", ", "), _ALWAYS)
        return
    for first, last in ring.lifetimes:
        _draw_box(axis, (first, last - first + 1), (start, size), label, _SOMETIMES)


def _draw_box(
    axis: Any, time: tuple[int, int], memory: tuple[int, int], label: str, colour: str
) -> None:
    axis.broken_barh([time], memory, facecolor=colour, edgecolor="white")
    middle = (time[0] + time[1] / 2, memory[0] + memory[1] / 2)
    axis.annotate(label, middle, ha="center", va="center", fontsize=6, clip_on=True)


def _makers(plan: Plan, ring: Ring) -> str:
    labels = [_short(node.label) for node in plan.nodes if node.output in ring.tensors]
    return ", ".join(labels) or "input"


def _event_label(plan: Plan, event: Event) -> str:
    ends = {INPUT: "row in", EMIT: "row out"}
    return ends.get(event.action) or _short(plan.nodes[event.action].label)


def _short(label: str) -> str:
    """Return a label without the word "operator", such as 3 CONV_2D."""
    return label.removeprefix("operator ")


def _legend() -> Sequence[Any]:
    from matplotlib.patches import Patch

    return [
        Patch(color=_ALWAYS, label="rows kept for later steps"),
        Patch(color=_SOMETIMES, label="rows of one step, which share memory"),
        Patch(color=_HEAD, label="engine state"),
    ]
