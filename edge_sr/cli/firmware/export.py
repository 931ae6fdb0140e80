"""`edge-sr firmware export`: a network as a library project for another build system."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_sr.cli.common import (
    ForceOption,
    ScaleOption,
    parse_path,
    print_markdown,
)
from edge_sr.cli.firmware.network import Network, read_upscaler
from edge_sr.cli.options import ModelArgument, ModelOption, one_model
from edge_sr.files import check_folder

if TYPE_CHECKING:
    from firmware_harness.targets.compose import Library

_WIDTH = 64


def export(
    target: Annotated[str, typer.Option(help="cmake, arduino, esp-idf, zephyr or platformio.")],
    out: Annotated[Path, typer.Option(parser=parse_path, metavar="PATH", help="Output folder.")],
    model: ModelArgument = None,
    model_option: ModelOption = None,
    scale: ScaleOption = None,
    engine: Annotated[
        str,
        typer.Option(help="streaming (edge-sr's engine), or tflm (for an app that has TFLM)."),
    ] = "streaming",
    width: Annotated[
        int | None,
        typer.Option(
            help="Frame width; fixed at build time with --engine tflm.", show_default=f"{_WIDTH}"
        ),
    ] = None,
    height: Annotated[
        int | None,
        typer.Option(
            help="Frame height; fixed at build time with --engine tflm.",
            show_default="that of a 4:3 frame",
        ),
    ] = None,
    ram: Annotated[
        str | None,
        typer.Option(
            metavar="BYTES", help="RAM budget in bytes, such as 64K.", show_default="no limit"
        ),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Write a network as a library project for CMake, Arduino, ESP-IDF, Zephyr or PlatformIO.

    Its example upscales a built-in frame and compares the checksum of the output with the one
    computed by this command.
    """
    from edge_sr.files import replacing_folder
    from edge_sr.zoo import fitting
    from export import c
    from firmware_harness.targets import compose, content, library
    from firmware_harness.targets import target as targets

    budget = None if ram is None else fitting.parse_bytes(ram)
    ecosystem = targets.find(target)
    content.check_engine(engine)
    network = read_upscaler(one_model(model, model_option), scale)
    content.check_network(network.graph)
    library.check_target(out, force)
    check_folder(out)
    wide = _default_width(network, engine) if width is None else width
    request = compose.Request(network.name, network.model, wide, height, budget)
    if engine == "streaming":
        written = compose.streaming_library(request)
    else:
        written = compose.tflm_library(request, c.write_c)
    with replacing_folder(out) as temporary:
        library.write(temporary, ecosystem, written.content, written.frame, written.output)
    _print(out, target, network.id, written)


def _default_width(network: Network, engine: str) -> int:
    from edge_sr.engine.plan import make_plan
    from firmware_harness import frames

    return frames.round_up(
        _WIDTH, make_plan(network.graph).pixels_per_unit if engine == "streaming" else 1
    )


def _print(out: Path, target: str, network: str, written: "Library") -> None:
    from firmware_harness.targets.example import checksum

    height, width, _ = written.frame.shape
    print_markdown(
        ["library", f"{out}"],
        [
            ("target", target),
            ("network", network),
            *written.content.facts,
            ("example frame", f"{width}x{height}"),
            (
                "CRC-32 of the example's output",
                f"{checksum(written.output):08x}, computed by {written.computed_by}",
            ),
        ],
    )
