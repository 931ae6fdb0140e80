"""`edge-sr firmware plan`: the RAM and flash that a network needs in the streaming engine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_sr.cli.common import (
    ForceOption,
    ScaleOption,
    check_picture,
    parse_path,
    print_markdown,
)
from edge_sr.cli.firmware.frame_plan import print_frame_plan
from edge_sr.cli.firmware.network import Network, at_size, read_network
from edge_sr.cli.firmware.options import RateOption, WeightsOption
from edge_sr.cli.options import ModelArgument, ModelOption, one_model
from edge_sr.errors import UserError

if TYPE_CHECKING:
    from edge_sr.engine.frame_plan import FramePlan
    from edge_sr.engine.memory_plan import Ring
    from edge_sr.engine.plan import Plan
    from edge_sr.graph import Graph

_WIDTHS = (160, 320, 640)


def plan(
    model: ModelArgument = None,
    model_option: ModelOption = None,
    scale: ScaleOption = None,
    rate: RateOption = None,
    width: Annotated[
        list[int] | None,
        typer.Option(
            help="Frame width in pixels; may be repeated.",
            show_default=", ".join(map(str, _WIDTHS)),
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="PATH",
            help="Draw the arena at the first width: .png, .pdf or .svg.",
            show_default="none",
        ),
    ] = None,
    weights: WeightsOption = "auto",
    force: ForceOption = False,
) -> None:
    """Print the engine's arena and the model's flash, and TensorFlow Lite Micro's arena.

    The engine holds no frame, so its arena depends on the width only. TFLM's arena holds a 4:3
    frame and its output. A network of one size, such as a classifier, is planned for that size: its
    first layers stream, and the layers after the border run on whole tensors. The stack is not
    included: `edge-sr firmware boards` adds it and one row, and `edge-sr firmware run` measures it.
    """
    from edge_sr.engine.frame_plan import FramePlan
    from edge_sr.engine.weights import Weights
    from edge_sr.runtime.obstacles import plan_of
    from firmware_harness import camera, frames

    if picture is not None:
        check_picture(picture, force)
    choice = Weights.parse(weights)
    network = read_network(one_model(model, model_option), scale, rate)
    network = at_size(network, width[0] if width else None)
    memory_plan = plan_of(network.graph, choice)
    if isinstance(memory_plan, FramePlan):
        if len(width or ()) > 1:
            raise UserError(f"{network.id} is planned for one size; name one --width")
        print_frame_plan(network, memory_plan)
        if picture is not None:
            _draw(picture, network, memory_plan, memory_plan.in_shape[1])
        return
    widths = width or [frames.round_up(size, memory_plan.pixels_per_unit) for size in _WIDTHS]
    arenas = {size: memory_plan.arena_bytes(size) for size in widths}
    _print_costs(network, memory_plan)
    _print_ram(network, memory_plan, arenas)
    if camera.is_encoder(network.graph):
        _print_camera_ram(network.graph, memory_plan, widths)
    _print_map(memory_plan, widths[0])
    if picture is not None:
        _draw(picture, network, memory_plan, widths[0])


def _draw(picture: Path, network: Network, memory_plan: "Plan | FramePlan", width: int) -> None:
    from edge_sr.engine.frame_plan import FramePlan
    from firmware_harness import arena_picture

    if isinstance(memory_plan, FramePlan):
        arena_picture.draw_frame(picture, memory_plan, network.id)
    else:
        arena_picture.draw(picture, memory_plan, width, network.id)
    typer.echo(f"{picture}")


def _pixel(network: "Graph") -> str:
    """Return the name of an input pixel, the unit of costs."""
    from firmware_harness import camera

    return "pixel" if camera.is_encoder(network) else "LR pixel"


def _print_costs(network: Network, memory_plan: "Plan") -> None:
    print_markdown(
        [network.id, "streaming engine"],
        [
            ("latency", f"{memory_plan.latency} input rows"),
            ("halo", f"{memory_plan.halo} columns per side, for frames cut into strips"),
            (f"MACs per {_pixel(network.graph)}", f"{memory_plan.macs:,.10g}"),
            ("flash of the model, bytes", memory_plan.flash),
        ],
    )


def _print_ram(network: Network, memory_plan: "Plan", arenas: dict[int, int]) -> None:
    from edge_sr.runtime.arena import host_abi
    from firmware_harness import frames, oracle

    rows = []
    for width, ram in arenas.items():
        height = frames.frame_height(width, memory_plan.pixels_per_unit)
        tflm = oracle.arena(network.model, height, width)
        theirs = (tflm, "") if isinstance(tflm, str) else (f"{tflm:,} bytes", f"{tflm / ram:.0f}")
        rows.append((f"{width}x{height}", f"{ram:,} bytes", *theirs))
    print_markdown(
        ["frame", "engine arena", f"TFLM arena, input and output included, {host_abi()}", "ratio"],
        rows,
    )


def _print_camera_ram(network: "Graph", memory_plan: "Plan", widths: list[int]) -> None:
    """Print the RAM that compressing 4:3 frames takes."""
    from firmware_harness import camera, frames, symbol_camera

    if symbol_camera.is_encoder(network):
        _print_symbols_ram(network, memory_plan, widths)
        return
    rows = []
    for width in widths:
        height = frames.frame_height(width, memory_plan.pixels_per_unit)
        memory = camera.memory(network, memory_plan, width, height)
        arena = memory_plan.arena_bytes(width)
        sizes = (arena, memory.latents, memory.row, arena + memory.latents + memory.row)
        rows.append((f"{width}x{height}", *(f"{size:,}" for size in sizes)))
    print_markdown(
        ["camera frame, bytes", "arena", "latents", "row", "total without coder and stack"], rows
    )


def _print_symbols_ram(network: "Graph", memory_plan: "Plan", widths: list[int]) -> None:
    """Print the RAM that compressing frames to symbols takes, of any height."""
    from firmware_harness import symbol_camera

    rows = []
    for width in widths:
        memory = symbol_camera.bound(network, width)
        arena = memory_plan.arena_bytes(width)
        sizes = (arena, memory.coder, memory.part, memory.row, arena + memory.total)
        rows.append((f"{width} wide", *(f"{size:,}" for size in sizes)))
    print_markdown(
        [
            *("camera frame, bytes", "arena", "coder, at most", "part of the file", "row"),
            "total without stack",
        ],
        rows,
    )


def _print_map(memory_plan: "Plan", width: int) -> None:
    """Print the place of each ring; rings that are needed at different times share memory."""
    from edge_sr.engine.plan import HEAD_BYTES

    units = memory_plan.padded_units(width)
    head = ("engine state", "", "", f"{HEAD_BYTES:,}", f"0..{HEAD_BYTES}")
    end = memory_plan.arena_bytes(width)
    place = f"{end - memory_plan.scratch}..{end}"
    scratch = ("kernel scratch (im2col)", "", "", f"{memory_plan.scratch:,}", place)
    rings = sorted(memory_plan.rings, key=lambda ring: (ring.offset.at(units), ring.tensors))
    print_markdown(
        [f"arena at width {width}", "rows", "pixels x channels", "bytes, aligned", "from..to"],
        [head, *(_ring_row(memory_plan, ring, units, HEAD_BYTES) for ring in rings), scratch],
    )


def _ring_row(memory_plan: "Plan", ring: "Ring", units: int, head: int) -> tuple[str, ...]:
    makers = [node.label for node in memory_plan.nodes if node.output in ring.tensors]
    size, place = ring.size.at(units), head + ring.offset.at(units)
    return (
        ", ".join(makers) or "input",
        f"{ring.rows}",
        f"{ring.pixels_per_unit * units + 2 * ring.padding} x {ring.channels}",
        f"{size:,}",
        f"{place}..{place + size}",
    )
