"""The tables of `edge-sr firmware plan` for a network of one size."""

from typing import TYPE_CHECKING

from edge_sr.cli.common import print_markdown
from edge_sr.cli.firmware.network import Network

if TYPE_CHECKING:
    from edge_sr.engine.frame_border import Border
    from edge_sr.engine.frame_plan import FramePlan
    from edge_sr.engine.frame_rings import FrameRing


def print_frame_plan(network: Network, plan: "FramePlan") -> None:
    """Print costs, border, RAM and the arena's map of a network of one size."""
    from edge_sr.engine.frame_border import find_border

    border = find_border(plan)
    _print_costs(network, plan, border)
    _print_weights(network)
    _print_ram(network, plan)
    _print_map(plan, border)


def _print_costs(network: Network, plan: "FramePlan", border: "Border") -> None:
    print_markdown(
        [network.id, "engine, frames of one size"],
        [
            ("input", _shape(plan.in_shape)),
            ("output", "; ".join(map(_shape, plan.out_shapes))),
            ("MACs per frame", f"{plan.macs:,}"),
            ("layers that stream, a few rows at a time", _layers(plan, border.streaming)),
            ("layers on whole tensors, after them", _layers(plan, border.whole)),
            ("border", f"event {border.event} of {len(plan.program)}"),
            ("flash of the model, bytes", plan.flash),
        ],
    )


def _print_weights(network: Network) -> None:
    """Print the flash and the arena of both choices of weights."""
    from edge_sr.engine.frame_plan import make_frame_plan
    from edge_sr.engine.weights import Weights

    rows = []
    for weights in (Weights.COMPACT, Weights.EXPANDED):
        plan = make_frame_plan(network.graph, weights)
        rows.append((f"--weights {weights}", plan.flash, f"{plan.arena_bytes:,}"))
    print_markdown(["weights", "flash of the model, bytes", "engine arena, bytes"], rows)


def _shape(shape: tuple[int, int, int]) -> str:
    height, width, channels = shape
    if height == width == 1:
        return f"a vector of {channels} values: one row of one pixel"
    return f"{width}x{height} pixels, {channels} channel{'' if channels == 1 else 's'}"


def _layers(plan: "FramePlan", nodes: tuple[int, ...]) -> str:
    if not nodes:
        return "none"
    first, last = (plan.nodes[index].label for index in (nodes[0], nodes[-1]))
    return f"{len(nodes)}: {first}" + (f" to {last}" if len(nodes) > 1 else "")


def _print_ram(network: Network, plan: "FramePlan") -> None:
    from edge_sr.runtime.arena import host_abi
    from firmware_harness import oracle

    tflm = oracle.own_arena(network.model)
    ram = plan.arena_bytes
    theirs = (tflm, "") if isinstance(tflm, str) else (f"{tflm:,} bytes", f"{tflm / ram:.1f}")
    height, width, _ = plan.in_shape
    print_markdown(
        ["frame", "engine arena", f"TFLM arena, input and output included, {host_abi()}", "ratio"],
        [(f"{width}x{height}", f"{ram:,} bytes", *theirs)],
    )


def _print_map(plan: "FramePlan", border: "Border") -> None:
    """Print the place of each ring; rings that are needed at different times share memory."""
    from edge_sr.engine.plan import HEAD_BYTES

    rings = sorted(plan.rings, key=lambda ring: (ring.life, ring.offset))
    events = f"0..{len(plan.program) - 1}"
    head = ("engine state", "", "", f"{HEAD_BYTES:,}", f"0..{HEAD_BYTES}", events, "")
    print_markdown(
        [
            *("arena", "rows", "pixels x channels", "bytes, aligned", "from..to"),
            *("events", "written by"),
        ],
        [
            head,
            *(_ring_row(plan, ring, HEAD_BYTES, border) for ring in rings),
            *_scratch_rows(plan, HEAD_BYTES),
        ],
    )


def _ring_row(plan: "FramePlan", ring: "FrameRing", head: int, border: "Border") -> tuple[str, ...]:
    makers = [index for index, node in enumerate(plan.nodes) if node.output in ring.tensors]
    _, _, left, right = ring.padding
    place = head + ring.offset
    return (
        ", ".join(plan.nodes[index].label for index in makers) or "input",
        f"{ring.rows} of {ring.height}",
        f"{left + ring.width + right} x {ring.channels}",
        f"{ring.size:,}",
        f"{place}..{place + ring.size}",
        f"{ring.life[0]}..{ring.life[1]}",
        "layer on whole tensors" if set(makers) & set(border.whole) else "layer that streams",
    )


def _scratch_rows(plan: "FramePlan", head: int) -> list[tuple[str, ...]]:
    """Return a row for the scratch memory of all convolutions, if there is any."""
    if not plan.scratches:
        return []
    most = max(scratch.size for scratch in plan.scratches)
    first = head + min(scratch.offset for scratch in plan.scratches)
    end = head + max(scratch.offset + scratch.size for scratch in plan.scratches)
    name = "kernel scratch (im2col), among rings without live rows"
    return [(name, "", "", f"up to {most:,}", f"{first}..{end}", "its layer's", "")]
