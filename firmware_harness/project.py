"""Write a model for a board as a C project that needs only a compiler.

project.json, board.toml, model.tflite   the inputs
Makefile, board.mk                       the build
engine/  model/  port/  app/             sources: edge_sr's engine, the plan, start-up, the program

On an emulated board the program runs a frame from the host, on other boards a self-test. An
encoder's program compresses frames; it is built for emulated boards only. That of a compressive
autoencoder needs context.bin, which predicts its symbols.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from edge_sr import engine, files, graph
from edge_sr.engine.c_source import CONFIG, c_header, c_source, small_config
from edge_sr.engine.frame_plan import FramePlan
from edge_sr.engine.plan import Plan
from edge_sr.engine.weights import Weights
from edge_sr.errors import UserError
from edge_sr.runtime.obstacles import plan_of
from firmware_harness import board_file, camera, fit, port, selftest, symbol_camera
from firmware_harness.board import Board
from firmware_harness.camera import Camera
from firmware_harness.symbol_camera import SymbolCamera

FACTS = "project.json"
BOARD = "board.toml"
MODEL = "model.tflite"
CONTEXT = "context.bin"
_MAX_FACTS_BYTES = 65536
_HERE = Path(__file__).parent

_MODEL_H = """\
/* The frame that the program is built for, in input pixels, and the RAM of the engine. */
#ifndef MODEL_H
#define MODEL_H

#include "model_plan.h"

#define MODEL_WIDTH {width}
#define MODEL_CHANNELS {channels}
#define MODEL_OUTPUTS {outputs}u
#define MODEL_ARENA_BYTES {arena}

#endif
"""


@dataclass(frozen=True)
class Project:
    """What a project is built for.

    Attributes:
        name: the model's name, for people.
        board: the board's name, or its file.
        width: frame width in pixels.
        camera: settings of an encoder's program that writes bit planes; None for any other.
        height: rows of the only frame that the network takes; None if it takes any.
        weights: of a network of one size, as `Weights` names them.
        symbols: settings of an encoder's program that writes symbols; None for any other.
    """

    name: str
    board: str
    width: int
    camera: Camera | None = None
    height: int | None = None
    weights: str = "auto"
    symbols: SymbolCamera | None = None


def is_project(folder: Path) -> bool:
    """Return whether `write` made a folder."""
    return (folder / FACTS).is_file()


def check_target(folder: Path, force: bool) -> None:
    """Refuse a folder that is not a project, or that exists and `force` is not given.

    Raises:
        UserError: the folder must not be replaced.
    """
    files.check_replaceable(folder, force, is_project, "firmware")


def write(folder: Path, project: Project, model: bytes, context: bytes = b"") -> None:
    """Write all files of a project into an empty folder.

    Args:
        folder: the empty folder.
        project: model name, board, width and camera settings.
        model: the int8 .tflite.
        context: of an encoder of symbols, as `edge_sr.codec.context` folds it.

    Raises:
        UserError: the engine does not run the model at this width, or the board is too small.
    """
    board = board_file.find(project.board)
    board.bare_image()
    network = graph.read_graph(model)
    plan = plan_of(network, Weights.parse(project.weights))
    if project.symbols is not None:
        _check_symbols(project, project.symbols, network, plan, board, context)
    elif project.camera is not None:
        _check_camera(project, project.camera, network, plan, board)
    else:
        fit.check(project.name, network, plan, project.width, board)
    facts = json.dumps(asdict(replace(project, board=board.name)), indent=2) + "\n"
    (folder / FACTS).write_text(facts, encoding="utf-8")
    (folder / BOARD).write_text(board.text, encoding="utf-8", newline="")
    (folder / MODEL).write_bytes(model)
    port.write(folder, board)
    port.copy_files(Path(engine.__file__).parent / "c", folder / "engine", "*.[ch]")
    (folder / "engine" / CONFIG).write_text(small_config(plan), encoding="utf-8")
    port.copy_files(_HERE / "app", folder / "app", _program(project, board))
    _write_model(folder / "model", project, network, plan)
    if project.symbols is not None:
        (folder / CONTEXT).write_bytes(context)
        text = symbol_camera.header(network, project.width, project.symbols, context)
        (folder / "model" / "camera.h").write_text(text, encoding="utf-8")
        source = symbol_camera.context_source(context)
        (folder / "model" / "context.c").write_text(source, encoding="utf-8")
    elif project.camera is not None and isinstance(plan, Plan):
        text = camera.header(network, plan, project.width, project.camera)
        (folder / "model" / "camera.h").write_text(text, encoding="utf-8")
    elif board.emulator is None:
        test = selftest.header(model, project.width)
        (folder / "model" / "test.h").write_text(test, encoding="utf-8")


def _program(project: Project, board: Board) -> str:
    if project.symbols is not None:
        return "compress2.c"
    if project.camera is not None:
        return "compress.c"
    return "selftest.c" if board.emulator is None else "main.c"


def _check_camera(
    project: Project,
    settings: Camera,
    network: graph.Graph,
    plan: Plan | FramePlan,
    board: Board,
) -> None:
    """Refuse an encoder's program that cannot be built, before anything is written.

    Raises:
        UserError: the board is not emulated or too small, or the network or frame does not fit.
    """
    _check_emulated(board)
    if isinstance(plan, FramePlan):
        raise UserError(f"{project.name} runs at one size only; a camera's encoder takes any")
    camera.check(project.name, network, plan)
    camera.check_frame(project.width, settings.height, settings.planes)
    width = camera.extended(project.width, plan)

    def extra_ram(wide: int) -> int:
        return camera.most_bytes(network, plan, wide, settings.height)

    fit.check(project.name, network, plan, width, board, extra_ram)


def _check_symbols(
    project: Project,
    settings: SymbolCamera,
    network: graph.Graph,
    plan: Plan | FramePlan,
    board: Board,
    context: bytes,
) -> None:
    """Refuse as `_check_camera` does an encoder's program that writes symbols."""
    _check_emulated(board)
    symbol_camera.check(project.name, network, plan)
    symbol_camera.check_frame(project.width, settings.height, settings.rows_per_part)

    def extra_ram(wide: int) -> int:
        return symbol_camera.most_bytes(network, wide, settings.rows_per_part, context)

    width = symbol_camera.extended(project.width)
    fit.check(project.name, network, plan, width, board, extra_ram, len(context))


def _check_emulated(board: Board) -> None:
    if board.emulator is None:
        raise UserError(
            f"an encoder's firmware reads frames from an emulator's host, and {board.name} is not "
            f"emulated; available: {', '.join(board_file.emulated())}"
        )


def _write_model(
    folder: Path, project: Project, network: graph.Graph, plan: Plan | FramePlan
) -> None:
    folder.mkdir()
    outputs, arena = 1, "MODEL_PLAN_ARENA_BYTES"
    if isinstance(plan, FramePlan):
        _, width, channels = plan.in_shape
        outputs = len(plan.outputs)
    else:
        width = _built_width(project, plan)
        channels, arena = network.input.shape[3], f"{arena}(MODEL_WIDTH)"
    texts = {
        "model_plan.h": c_header(plan, "model_plan"),
        "model_plan.c": c_source(plan, "model_plan"),
        "model.h": _MODEL_H.format(width=width, channels=channels, outputs=outputs, arena=arena),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def _built_width(project: Project, plan: Plan) -> int:
    """Return the width of the network's frames: encoders extend those of the camera."""
    if project.symbols is not None:
        return symbol_camera.extended(project.width)
    return camera.extended(project.width, plan) if project.camera else project.width


def read(folder: Path) -> Project:
    """Read what the project in a folder is built for.

    Raises:
        UserError: the folder has no project, or a damaged one.
    """
    if not is_project(folder):
        raise UserError(f"{folder} holds no firmware; `edge-sr firmware build` builds it")
    try:
        with (folder / FACTS).open("rb") as file:
            project = Project(**json.loads(file.read(_MAX_FACTS_BYTES)))
        if project.camera is not None:
            project = replace(project, camera=Camera(**vars(project)["camera"]))
        if project.symbols is not None:
            project = replace(project, symbols=SymbolCamera(**vars(project)["symbols"]))
    except (ValueError, TypeError, RecursionError):
        raise UserError(f"{folder / FACTS} is damaged; build the firmware again") from None
    if not (
        _is_sound(project)
        and (project.camera is None or camera.is_sound(project.camera))
        and (project.symbols is None or symbol_camera.is_sound(project.symbols))
    ):
        raise UserError(f"{folder / FACTS} is damaged; build the firmware again")
    return project


def _is_sound(project: Project) -> bool:
    kinds = [type(value) for value in (project.name, project.board, project.width)]
    rows = 1 if project.height is None else project.height
    return kinds == [str, str, int] and type(rows) is int and min(project.width, rows) >= 1


def read_board(folder: Path) -> Board:
    """Read the board that the project in a folder is built for.

    Raises:
        UserError: as `read`, or the project's board file is missing or damaged.
    """
    return board_file.read(folder / BOARD, read(folder).board)
