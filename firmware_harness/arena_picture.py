"""Draw the arena of a plan: which ring lies where, and when."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_sr.engine.frame_border import find_border
from edge_sr.engine.frame_plan import FramePlan
from edge_sr.engine.frame_rings import FrameRing
from edge_sr.engine.memory_plan import Ring
from edge_sr.engine.plan import HEAD_BYTES, Plan
from edge_sr.engine.schedule import EMIT, INPUT, Event
from edge_sr.files import replacing

_MAX_INCHES = 100.0

_ONE_LINE, _WORDS, _NUMBER = 0.018, 0.1, 0.008
"""Shares of the picture's height and width that a label of a frame plan's ring needs."""

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
    _save(figure, out, _legend())


def draw_frame(out: Path, plan: FramePlan, title: str) -> None:
    """Draw the arena of a network of one size: addresses upwards, the frame's events to the right.

    A line marks the border between layers that stream and layers on whole tensors.

    Args:
        out: the file to write; its suffix sets the format.
        plan: the plan.
        title: above the picture.

    Raises:
        UserError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    events, end, border = len(plan.program), plan.arena_bytes, find_border(plan)
    figure = Figure(figsize=(12.0, 7.0), layout="constrained")
    axis = figure.add_subplot()
    _draw_box(axis, (0, events), (0, HEAD_BYTES), "", _HEAD)
    whole = {plan.nodes[index].output for index in border.whole}
    for ring in plan.rings:
        colour = _SOMETIMES if whole.intersection(ring.tensors) else _ALWAYS
        memory = (HEAD_BYTES + ring.offset, ring.size)
        for span in ring.spans:
            time = (span[0], span[1] - span[0] + 1)
            _draw_box(axis, time, memory, _frame_label(plan, ring, time[1]), colour)
    for scratch in plan.scratches:
        memory = (HEAD_BYTES + scratch.offset, scratch.size)
        for event in scratch.events:
            _draw_box(axis, (event, 1), memory, "", _HEAD)
    axis.axvline(border.event, color="black", linestyle="--", linewidth=1)
    axis.set_xlim(0, events)
    axis.set_ylim(0, end)
    axis.set_xlabel("events of the frame (a row in, a row of a layer, a row out), in order")
    axis.set_ylabel("offset in the arena, bytes")
    height, width, _ = plan.in_shape
    axis.set_title(f"{title}: {end:,} bytes for frames of {width}x{height}", fontsize=10)
    _save(figure, out, _frame_legend())


def _frame_label(plan: FramePlan, ring: FrameRing, events: int) -> str:
    """Return the label that has room in a ring's box; narrow boxes have the operator's number."""
    makers, size = _makers(plan, ring), f"{ring.rows} x {ring.stride:,} bytes"
    wide = events / len(plan.program)
    tall = ring.size / plan.arena_bytes
    if tall < _ONE_LINE or wide < _NUMBER:
        return ""
    if wide < _WORDS:
        return makers.split()[0]
    return f"{makers}\n{size}" if tall >= 2 * _ONE_LINE else f"{makers}, {size}"


def _save(figure: Any, out: Path, handles: Sequence[Any]) -> None:
    columns = len(handles)
    figure.legend(handles=handles, fontsize=8, loc="outside lower center", ncols=columns)
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


def _makers(plan: Plan | FramePlan, ring: Ring | FrameRing) -> str:
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


def _frame_legend() -> Sequence[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    return [
        Patch(color=_ALWAYS, label="rows of layers that stream"),
        Patch(color=_SOMETIMES, label="tensors of layers on whole tensors"),
        Patch(color=_HEAD, label="engine state, scratch"),
        Line2D([], [], color="black", linestyle="--", label="border"),
    ]
