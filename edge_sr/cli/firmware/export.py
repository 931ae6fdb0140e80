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
from edge_sr.cli.firmware.network import read_library_network, read_network
from edge_sr.cli.firmware.options import WeightsOption
from edge_sr.cli.options import ModelArgument, ModelOption, one_model
from edge_sr.files import check_folder

if TYPE_CHECKING:
    from firmware_harness.targets.compose import Library

_WIDTH = 64  # firmware_harness.targets.compose.WIDTH, which would be slow to import


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
            help="Frame width; fixed at build time with --engine tflm.",
            show_default=f"{_WIDTH}; tflm: the model's own if it is not an upscaler",
        ),
    ] = None,
    height: Annotated[
        int | None,
        typer.Option(
            help="Frame height; fixed at build time with --engine tflm.",
            show_default="that of a 4:3 frame, or the model's own",
        ),
    ] = None,
    weights: WeightsOption = "auto",
    ram: Annotated[
        str | None,
        typer.Option(
            metavar="BYTES", help="RAM budget in bytes, such as 64K.", show_default="no limit"
        ),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Write a network as a library project for CMake, Arduino, ESP-IDF, Zephyr or PlatformIO.

    Its example runs the network on a built-in frame and compares the checksum of the output with
    the one computed by this command; that of a classifier prints the class. With --engine tflm any
    integer model is written that TensorFlow Lite Micro runs; if it is not an upscaler, the example
    runs it on noise.
    """
    from edge_sr.engine.weights import Weights
    from edge_sr.files import replacing_folder
    from edge_sr.zoo import fitting
    from export import c
    from firmware_harness.targets import compose, content, library
    from firmware_harness.targets import target as targets

    choice = Weights.parse(weights)
    budget = None if ram is None else fitting.parse_bytes(ram)
    ecosystem = targets.find(target)
    content.check_engine(engine)
    read = read_library_network if engine == "streaming" else read_network
    network = read(one_model(model, model_option), scale)
    library.check_target(out, force)
    check_folder(out)
    request = compose.Request(network.name, network.model, width, height, budget, choice)
    if engine == "streaming":
        written = compose.streaming_library(request)
    else:
        written = compose.tflm_library(request, c.write_c)
    with replacing_folder(out) as temporary:
        library.write(temporary, ecosystem, written.content, written.example)
    _print(out, target, network.id, written)


def _print(out: Path, target: str, network: str, written: "Library") -> None:
    print_markdown(
        ["library", f"{out}"],
        [
            ("target", target),
            ("network", network),
            *written.content.facts,
            (f"example {written.example.fields['INPUT']}", written.example.size),
            (
                "CRC-32 of the example's output",
                f"{written.example.checksum:08x}, computed by {written.computed_by}",
            ),
        ],
    )
