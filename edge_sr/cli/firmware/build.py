"""`edge-sr firmware build`: a C project for a board, and its compiled image."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_sr.cli.common import (
    ForceOption,
    ScaleOption,
    parse_path,
    print_markdown,
)
from edge_sr.cli.firmware.network import Network, at_size, open_codec, read_network
from edge_sr.cli.firmware.options import DEFAULT_WIDTH, BoardOption, RateOption, WeightsOption
from edge_sr.cli.firmware.rows import flash_rows, project_rows, static_ram_rows
from edge_sr.cli.options import ModelArgument, ModelOption, one_model
from edge_sr.errors import UserError
from edge_sr.files import check_folder

if TYPE_CHECKING:
    from edge_sr.engine.frame_plan import FramePlan
    from edge_sr.engine.plan import Plan
    from firmware_harness.board import Board
    from firmware_harness.camera import Camera
    from firmware_harness.project import Project

_ALL_PLANES = 8


@dataclass(frozen=True)
class Frame:
    """What the options say of the frames; the last three are for encoders."""

    width: int | None = None
    height: int | None = None
    planes: int = _ALL_PLANES
    decoder: Path | None = None


def build(
    board: BoardOption,
    model: ModelArgument = None,
    model_option: ModelOption = None,
    scale: ScaleOption = None,
    rate: RateOption = None,
    width: Annotated[
        int | None,
        typer.Option(
            help="Frame width in pixels.",
            show_default=f"{DEFAULT_WIDTH}, or the only one that the network takes",
        ),
    ] = None,
    height: Annotated[
        int | None,
        typer.Option(
            help="Encoders: maximum frame height. Networks that need a size, and have it open: the "
            "height.",
            show_default="that of a 4:3 frame",
        ),
    ] = None,
    planes: Annotated[
        int, typer.Option(help="Encoders: bit planes to store, 1 to 8.")
    ] = _ALL_PLANES,
    weights: WeightsOption = "auto",
    decoder: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="PATH",
            help="Encoders: the .tflite that decodes the files.",
            show_default="decoder-int8.tflite in the encoder's folder",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="PATH",
            help="Output folder.",
            show_default="artifacts/<model>-<board>-w<width>, or artifacts/<model>-<board>",
        ),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Write a self-contained C project for a board, and compile it.

    On an emulated board the program reads a frame from the host; `edge-sr firmware run` feeds it.
    On other boards it runs a self-test on a generated frame and leaves the result in RAM, where a
    debugger reads it. An encoder's program compresses frames into .tcz files.
    """
    from edge_sr.engine.plan import Plan
    from edge_sr.engine.weights import Weights
    from edge_sr.files import replacing_folder
    from edge_sr.runtime.obstacles import plan_of
    from firmware_harness import board_file, elf, project
    from firmware_harness import build as building

    target = board_file.find(board)
    target.bare_image()
    network = at_size(read_network(one_model(model, model_option), scale, rate), width, height)
    plan = plan_of(network.graph, Weights.parse(weights))
    settings = project_of(network, board, plan, Frame(width, height, planes, decoder))
    settings = dataclasses.replace(settings, weights=weights)
    suffix = f"-w{settings.width}" if isinstance(plan, Plan) else ""
    folder = out or Path("artifacts") / f"{network.name}-{target.name}{suffix}"
    project.check_target(folder, force)
    check_folder(folder)
    building.check_tools(target)
    with replacing_folder(folder) as temporary:
        project.write(temporary, settings, network.model)
        building.build(temporary, target)
    image = folder / building.IMAGE
    flash, ram = elf.measure(image)
    print_markdown(
        ["firmware", str(folder)],
        [
            *project_rows(settings, target),
            *flash_rows(flash),
            *static_ram_rows(ram),
            *_result_rows(target, image),
        ],
    )


def project_of(network: Network, board: str, plan: "Plan | FramePlan", frame: Frame) -> "Project":
    """Return the project of a network for a board.

    Raises:
        UserError: the frame does not fit the network.
    """
    from edge_sr.engine.frame_plan import FramePlan
    from firmware_harness import frames, project

    width = frames.width_of(plan, frame.width)
    camera = _camera(network, plan, width, frame)
    height = plan.in_shape[0] if isinstance(plan, FramePlan) else None
    return project.Project(network.name, board, width, camera, height)


def _camera(
    network: Network, plan: "Plan | FramePlan", width: int, frame: Frame
) -> "Camera | None":
    """Return the settings of an encoder's program; None for any other network.

    Raises:
        UserError: the options do not fit the network.
    """
    from edge_sr.engine.frame_plan import FramePlan
    from firmware_harness import camera, frames

    if isinstance(plan, FramePlan):
        frame = dataclasses.replace(frame, height=None)  # `at_size` has used it
    if isinstance(plan, FramePlan) or not camera.is_encoder(network.graph):
        if frame != Frame(frame.width):
            raise UserError(
                f"--height, --planes and --decoder are for encoders; {network.name} is not one"
            )
        return None
    camera.check(network.path.name, network.graph, plan)
    height = frames.frame_height(width) if frame.height is None else frame.height
    camera.check_frame(width, height, frame.planes)
    codec = open_codec(network.path, frame.decoder)
    return camera.Camera(height, frame.planes, codec.id, codec.hash.hex())


def _result_rows(board: "Board", image: Path) -> list[tuple[str, str]]:
    """Return where a board without a host leaves the result of its self-test."""
    from firmware_harness import elf, selftest

    if board.emulator is not None:
        return []
    address = elf.read(image)[".result"].address
    text = (
        f"{selftest.WORDS} words at {address:#010x}; the first is {selftest.PASSED:#x} on success"
    )
    return [("self-test result in RAM, for a debugger", text)]
