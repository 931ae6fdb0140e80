"""`edge-sr firmware export`: a network as a library project for somebody else's build."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_sr.cli.common import (
    ForceOption,
    ScaleOption,
    check_folder,
    parse_path,
    print_markdown,
)
from edge_sr.errors import require

if TYPE_CHECKING:
    import numpy as np

    from edge_sr.cli.firmware import Network
    from edge_sr.engine.plan import Plan
    from firmware_harness.targets.content import Content
    from firmware_harness.targets.target import Target

_WIDTH = 64
_MAX_TFLM_BYTES = 2**29  # of an arena in which the example's frame is computed a second time


@dataclass(frozen=True)
class _Example:
    """The example's frame, what must come out, and who says so."""

    frame: "np.ndarray"
    output: "np.ndarray"
    oracle: str


def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="An int8 .tflite, or a shipped model's name.")
    ],
    target: Annotated[str, typer.Option(help="cmake, arduino, esp-idf, zephyr or platformio.")],
    out: Annotated[Path, typer.Option(parser=parse_path, metavar="PATH", help="Folder.")],
    scale: ScaleOption = None,
    engine: Annotated[
        str,
        typer.Option(help="streaming: edge-sr's own; tflm: for an app that has TFLM already."),
    ] = "streaming",
    width: Annotated[
        int | None,
        typer.Option(help="Of the example's frame; tflm: of all.", show_default=f"{_WIDTH}"),
    ] = None,
    height: Annotated[
        int | None,
        typer.Option(help="Of the example's frame; tflm: of all.", show_default="that of 4:3"),
    ] = None,
    ram: Annotated[
        int | None,
        typer.Option(min=1, help="Bytes that there are.", show_default="no limit"),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Write a network as a library project for CMake, Arduino, ESP-IDF, Zephyr or PlatformIO.

    Its example upscales a built-in frame and compares the result's checksum with the one that was
    computed here.
    """
    from edge_sr.cli.firmware import read_network
    from edge_sr.files import replacing_folder
    from firmware_harness.targets import content as contents
    from firmware_harness.targets import library
    from firmware_harness.targets import target as targets

    chosen = targets.find(target)
    contents.check_engine(engine)
    library.check_target(out, force)
    check_folder(out)
    network = read_network(model, scale)
    contents.check_network(network.graph)
    compose = _streaming if engine == "streaming" else _tflm
    content, example = compose(network, width, height, ram)
    with replacing_folder(out) as temporary:
        library.write(temporary, chosen, content, example.frame, example.output)
    _print(out, chosen, content, example)


def _streaming(
    network: "Network", width: int | None, height: int | None, ram: int | None
) -> "tuple[Content, _Example]":
    from edge_sr.cli.firmware import frame_height
    from edge_sr.engine.plan import make_plan
    from firmware_harness.targets import example, library
    from firmware_harness.targets.streaming import streaming

    plan = make_plan(network.graph)
    wide = -(-_WIDTH // plan.rate) * plan.rate if width is None else width
    content = streaming(network.graph, plan, network.name, wide)
    if ram is not None:
        library.check_ram(content, f"{network.name} at width {wide}", ram, _widest(plan, ram))
    tall = frame_height(wide, plan.rate) if height is None else height
    frame = example.built_in_frame(tall, wide, network.graph.input.shape[3])
    output = example.run_engine(plan, frame)
    return content, _Example(frame, output, _ask_tflm(network, frame, output))


def _widest(plan: "Plan", ram: int) -> str:
    """Up to which width a network fits."""
    from edge_sr.engine.plan import HEAD_BYTES, MAX_UNITS

    low, high = 0, MAX_UNITS
    while low < high:
        units = (low + high + 1) // 2
        if HEAD_BYTES + plan.arena.at(plan.wide_units(units * plan.rate)) + plan.scratch <= ram:
            low = units
        else:
            high = units - 1
    return f"it fits up to a width of {low * plan.rate}"


def _ask_tflm(network: "Network", frame: "np.ndarray", output: "np.ndarray") -> str:
    """Compare the engine's output with TFLM's where there is one; who has computed it."""
    import importlib.util

    from edge_sr import graph
    from edge_sr.runtime.tflm import arena_bound
    from firmware_harness import oracle

    if importlib.util.find_spec("tflite_micro") is None:
        return "the engine; without tflite-micro, TFLM was not asked"
    resized = graph.resize(network.model, *frame.shape[:2])
    if arena_bound(graph.read_graph(resized)) > _MAX_TFLM_BYTES:
        return "the engine; the frame is too large for TFLM"
    oracle.check(output.ravel(), oracle.tflm_output(network.model, frame))
    return "the engine and TFLM"


def _tflm(
    network: "Network", width: int | None, height: int | None, ram: int | None
) -> "tuple[Content, _Example]":
    from edge_sr import graph
    from edge_sr.cli.firmware import frame_height
    from edge_sr.runtime.arena import arena_bytes, host_abi
    from export.c import write_c
    from firmware_harness import oracle
    from firmware_harness.targets import example, library
    from firmware_harness.targets.content import identifier
    from firmware_harness.targets.tflm import Artifact, tflm

    require("tflite_micro", "tflm")
    wide = _WIDTH if width is None else width
    tall = frame_height(wide, 1) if height is None else height
    frame = example.built_in_frame(tall, wide, network.graph.input.shape[3])
    resized = graph.resize(network.model, tall, wide)
    header, source = write_c(resized, identifier(network.name))
    artifact = Artifact(header, source, arena_bytes(resized), host_abi())
    content = tflm(graph.read_graph(resized), network.name, artifact)
    if ram is not None:
        advice = "a smaller --width or --height takes less, and so does --engine streaming"
        library.check_ram(content, f"{network.name} at {wide}x{tall}", ram, advice)
    return content, _Example(frame, oracle.tflm_output(network.model, frame), "TFLM")


def _print(out: Path, target: "Target", content: "Content", example: "_Example") -> None:
    from firmware_harness.targets.example import checksum

    height, width, _ = example.frame.shape
    print_markdown(
        ["library", f"{out}"],
        [
            ("target", target.name),
            ("network", content.fields["IDENT"]),
            *content.facts,
            ("the example's frame", f"{width}x{height}"),
            ("its output's CRC-32", f"{checksum(example.output):08x}, says {example.oracle}"),
        ],
    )
