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
from edge_sr.cli.firmware.network import (
    Network,
    at_size,
    open_codec,
    open_coding,
    read_encoder,
    read_network,
)
from edge_sr.cli.firmware.options import DEFAULT_WIDTH, BoardOption, RateOption, WeightsOption
from edge_sr.cli.firmware.rows import flash_rows, project_rows, static_ram_rows
from edge_sr.cli.options import ModelArgument, ModelOption, one_model
from edge_sr.errors import UserError
from edge_sr.files import check_folder

if TYPE_CHECKING:
    from edge_sr.codec.autoencoder import Coding
    from edge_sr.engine.frame_plan import FramePlan
    from edge_sr.engine.plan import Plan
    from firmware_harness.board import Board
    from firmware_harness.camera import Camera
    from firmware_harness.project import Project

_ALL_PLANES = 8


@dataclass(frozen=True)
class Frame:
    """What the options say of the frames and of encoders' files."""

    width: int | None = None
    height: int | None = None
    planes: int = _ALL_PLANES
    decoder: Path | None = None
    quality: float | None = None
    part_rows: int | None = None


@dataclass(frozen=True)
class Made:
    """What a project is written of.

    Attributes:
        network: the network, at the size that it is built for.
        plan: of the network.
        settings: of the project.
        context: of an encoder of symbols; empty for any other network.
    """

    network: Network
    plan: "Plan | FramePlan"
    settings: "Project"
    context: bytes = b""


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
            help="Encoders: maximum frame height, or that of a codec with qualities. Networks that "
            "need a size, and have it open: the height.",
            show_default="that of a 4:3 frame",
        ),
    ] = None,
    planes: Annotated[
        int, typer.Option(help="Encoders: bit planes to store, 1 to 8.")
    ] = _ALL_PLANES,
    quality: Annotated[
        float | None,
        typer.Option(
            help="Codecs with qualities: that of the files, 1 to 10.",
            show_default="that of compress",
        ),
    ] = None,
    part_rows: Annotated[
        int | None,
        typer.Option(
            help="Codecs with qualities: rows of symbols, of 8 pixels each, in a part of a file. "
            "RAM holds a part until it is complete.",
            show_default="3",
        ),
    ] = None,
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
    debugger reads it. An encoder's program compresses frames into .tcz files; that of a codec with
    qualities writes each part of a file as soon as its rows are there.
    """
    from edge_sr.engine.plan import Plan
    from edge_sr.files import replacing_folder
    from firmware_harness import board_file, elf, project
    from firmware_harness import build as building

    target = board_file.find(board)
    target.bare_image()
    frame = Frame(width, height, planes, decoder, quality, part_rows)
    made = make(one_model(model, model_option), board, frame, weights, (scale, rate))
    settings = made.settings
    suffix = f"-w{settings.width}" if isinstance(made.plan, Plan) else ""
    folder = out or Path("artifacts") / f"{made.network.name}-{target.name}{suffix}"
    project.check_target(folder, force)
    check_folder(folder)
    building.check_tools(target)
    with replacing_folder(folder) as temporary:
        project.write(temporary, settings, made.network.model, made.context)
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


def make(
    model: str | None,
    board: str,
    frame: Frame,
    weights: str = "auto",
    ratios: tuple[int | None, int | None] = (None, None),
) -> Made:
    """Return what a project is written of.

    Args:
        model: as the command line names it.
        board: the board's name, or its file.
        frame: the options of frames and encoders.
        weights: as `edge_sr.engine.weights` names them.
        ratios: the scale of an upscaler and the rate of an encoder, as options name them.

    Raises:
        UserError: no such network, or the options do not fit it.
    """
    from edge_sr.engine.weights import Weights
    from edge_sr.runtime.obstacles import plan_of

    coding = open_coding(model, frame.quality, ratios)
    if coding is not None:
        return _make_symbols(coding, board, frame, weights)
    network = at_size(read_network(model, *ratios), frame.width, frame.height)
    plan = plan_of(network.graph, Weights.parse(weights))
    settings = project_of(network, board, plan, frame)
    return Made(network, plan, dataclasses.replace(settings, weights=weights))


def _make_symbols(coding: "Coding", board: str, frame: Frame, weights: str) -> Made:
    """Return as `make` does what the encoder of a codec with qualities is written of."""
    from edge_sr.codec import context
    from edge_sr.engine.weights import Weights
    from edge_sr.runtime.obstacles import plan_of
    from firmware_harness import frames, project, symbol_camera

    if (frame.planes, frame.decoder) != (_ALL_PLANES, None):
        raise UserError("--planes and --decoder are for encoders of TinyCompress")
    width = DEFAULT_WIDTH if frame.width is None else frame.width
    height = frames.frame_height(width) if frame.height is None else frame.height
    rows = symbol_camera.ROWS_PER_PART if frame.part_rows is None else frame.part_rows
    symbol_camera.check_frame(width, height, rows)
    sides = (symbol_camera.extended(side) for side in (width, height))
    network = at_size(read_encoder(coding), *sides)
    codec, digest = coding.codec, context.blob_hash(coding.context)
    camera = symbol_camera.SymbolCamera(
        *(height, rows, coding.place, codec.id, codec.hash.hex(), digest.hex())
    )
    settings = project.Project(network.name, board, width, weights=weights, symbols=camera)
    plan = plan_of(network.graph, Weights.parse(weights))
    return Made(network, plan, settings, coding.context)


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
    if frame.part_rows is not None:
        raise UserError(f"{network.name} has no qualities; leave --part-rows out")
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
