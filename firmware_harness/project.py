"""Writes a model for a board as a C project that needs nothing but a compiler.

project.json, board.toml, model.tflite   what it was made from
Makefile, board.mk                       how it is built
engine/  model/  port/  app/             sources: edge_sr's engine, the plan, start-up, the program

For a board that is emulated the program runs a frame of the host's, for another one a self-test. An
encoder's program compresses frames; it is built for boards that are emulated.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from edge_sr import engine, files, graph
from edge_sr.engine.c_source import c_header, c_source
from edge_sr.engine.plan import Plan, make_plan
from edge_sr.errors import UserError
from firmware_harness import board_file, camera, fit, port, selftest
from firmware_harness.board import Board
from firmware_harness.camera import Camera

FACTS = "project.json"
BOARD = "board.toml"
MODEL = "model.tflite"
_MAX_FACTS_BYTES = 65536
_HERE = Path(__file__).parent

_MODEL_H = """\
/* What the program was built for; low-resolution pixels. */
#ifndef MODEL_H
#define MODEL_H

#include "model_plan.h"

#define MODEL_WIDTH {width}
#define MODEL_CHANNELS {channels}
#define MODEL_ARENA_BYTES MODEL_PLAN_ARENA_BYTES(MODEL_WIDTH)

#endif
"""


@dataclass(frozen=True)
class Project:
    """What a project was made for.

    Attributes:
        name: the model's, for people.
        board: the board's name, or its file.
        width: pixels of a row that goes in.
        camera: of an encoder's program; None for networks that make images larger.
    """

    name: str
    board: str
    width: int
    camera: Camera | None = None


def is_project(folder: Path) -> bool:
    """Whether a folder is one that `write` made."""
    return (folder / FACTS).is_file()


def check_target(folder: Path, force: bool) -> None:
    """Refuse to replace a folder unless asked to, and one that is no project always.

    Raises:
        UserError: so.
    """
    files.check_replaceable(folder, force, is_project, "firmware")


def write(folder: Path, project: Project, model: bytes) -> None:
    """Write all files of a project into an empty folder.

    Args:
        folder: where to.
        project: model's name, board and width.
        model: the int8 .tflite.

    Raises:
        UserError: the engine does not run the model, or not at this width on this board.
    """
    board = board_file.find(project.board)
    board.bare_image()
    network = graph.read_graph(model)
    plan = make_plan(network)
    if project.camera is None:
        fit.check(project.name, network, plan, project.width, board)
    else:
        _check_camera(project, project.camera, network, plan, board)
    facts = json.dumps(asdict(replace(project, board=board.name)), indent=2) + "\n"
    (folder / FACTS).write_text(facts, encoding="utf-8")
    (folder / BOARD).write_text(board.text, encoding="utf-8", newline="")
    (folder / MODEL).write_bytes(model)
    port.write(folder, board)
    port.copy_files(Path(engine.__file__).parent / "c", folder / "engine", "*.[ch]")
    port.copy_files(_HERE / "app", folder / "app", _program(project, board))
    width = camera.extended(project.width, plan) if project.camera else project.width
    _write_model(folder / "model", plan, width, network.input.shape[3])
    if project.camera is not None:
        text = camera.header(network, plan, project.width, project.camera)
        (folder / "model" / "camera.h").write_text(text, encoding="utf-8")
    elif board.emulator is None:
        test = selftest.header(model, project.width)
        (folder / "model" / "test.h").write_text(test, encoding="utf-8")


def _program(project: Project, board: Board) -> str:
    if project.camera is not None:
        return "compress.c"
    return "selftest.c" if board.emulator is None else "main.c"


def _check_camera(
    project: Project, chosen: Camera, network: graph.Graph, plan: Plan, board: Board
) -> None:
    """Find out before anything is written that an encoder's program cannot be.

    Raises:
        UserError: so.
    """
    if board.emulator is None:
        raise UserError(
            f"firmware that compresses takes its frames from an emulator's host, and {board.name} "
            f"has none; there are {', '.join(board_file.emulated())}"
        )
    camera.check(project.name, network, plan)
    camera.check_frame(project.width, chosen.height, chosen.planes)
    width = camera.extended(project.width, plan)

    def extra_ram(wide: int) -> int:
        return camera.most_bytes(network, plan, wide, chosen.height)

    fit.check(project.name, network, plan, width, board, extra_ram)


def _write_model(folder: Path, plan: Plan, width: int, channels: int) -> None:
    folder.mkdir()
    texts = {
        "model_plan.h": c_header(plan, "model_plan"),
        "model_plan.c": c_source(plan, "model_plan"),
        "model.h": _MODEL_H.format(width=width, channels=channels),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def read(folder: Path) -> Project:
    """What the project in a folder was made for.

    Raises:
        UserError: the folder holds no project, or a damaged one.
    """
    if not is_project(folder):
        raise UserError(f"{folder} holds no firmware; `edge-sr firmware build` makes it")
    try:
        with (folder / FACTS).open("rb") as file:
            made = Project(**json.loads(file.read(_MAX_FACTS_BYTES)))
        if made.camera is not None:
            made = replace(made, camera=Camera(**vars(made)["camera"]))
    except (ValueError, TypeError, RecursionError):
        raise UserError(f"{folder / FACTS} is damaged; build the firmware again") from None
    if not (_is_sound(made) and (made.camera is None or camera.is_sound(made.camera))):
        raise UserError(f"{folder / FACTS} is damaged; build the firmware again")
    return made


def _is_sound(made: Project) -> bool:
    kinds = [type(value) for value in (made.name, made.board, made.width)]
    return kinds == [str, str, int] and made.width >= 1


def read_board(folder: Path) -> Board:
    """The board that the project in a folder was made for.

    Raises:
        UserError: as `read`, or the project's board file is missing or damaged.
    """
    return board_file.read(folder / BOARD, read(folder).board)
