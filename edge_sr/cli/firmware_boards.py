"""`edge-sr firmware boards` and `flash`: what there is, what fits on it, and bringing it there."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_sr.cli.common import ScaleOption, parse_path, print_markdown
from edge_sr.errors import UserError

if TYPE_CHECKING:
    from firmware_harness.board import Board
    from firmware_harness.fit import Fit

_WIDTH = 160

BoardOption = Annotated[
    str, typer.Option(help="Name of the board (`edge-sr firmware boards`), or a .toml of your own.")
]


# --- boards


def boards(
    model: Annotated[
        str | None,
        typer.Option(help="Say where it fits: an int8 .tflite, or a shipped model's name."),
    ] = None,
    scale: ScaleOption = None,
    width: Annotated[
        int | None,
        typer.Option(help="Low-resolution pixels of a row.", show_default=f"{_WIDTH}"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the boards, and what of a model each can hold.

    RAM is what is usable in one piece right after reset; a model takes of it the engine's arena,
    the stack, one row of the frame and a few variables, and no frame. External RAM needs a program
    that sets it up; the largest width with it has the arena there. Of an encoder the latents of a
    frame of 4:3 and the coder's state are counted too.
    """
    from firmware_harness import board_file

    found = [board_file.find(name) for name in board_file.names()]
    if model is None:
        if scale is not None or width is not None:
            raise UserError("--scale and --width are a model's; name one with --model")
        _print([_about(board) for board in found], as_json, _about_row)
        return
    fits = _fits(found, model, scale, width)
    _print([_about(b) | _fit(fit) for b, fit in zip(found, fits, strict=True)], as_json, _fit_row)


def _fits(boards: "list[Board]", model: str, scale: int | None, width: int | None) -> "list[Fit]":
    from edge_sr.cli import firmware_compress
    from edge_sr.cli.firmware import read_network
    from edge_sr.engine.plan import make_plan
    from firmware_harness.fit import fit

    network = read_network(model, scale).graph
    plan = make_plan(network)
    size = -(-_WIDTH // plan.rate) * plan.rate if width is None else width
    beside = firmware_compress.beside(network, plan)
    return [fit(network, plan, size, board, beside) for board in boards]


def _about(board: "Board") -> dict[str, Any]:
    """What is known of a board; sizes in bytes."""
    return {
        "board": board.name,
        "title": board.title,
        "core": board.core,
        "ram": board.ram.size,
        "external_ram": board.external_ram,
        "flash": board.flash.size,
        "image": _image(board),
        "no_image": board.no_image,
        "flashed_by": [flasher.tool for flasher in board.flashers],
    }


def _image(board: "Board") -> str:
    if board.image is None:
        return "none"
    return "self-test" if board.emulator is None else "emulated"


def _fit(fit: "Fit") -> dict[str, Any]:
    return {
        "fits": fit.fits,
        "ram_needed": fit.ram,
        "ram_lacking": fit.ram_lacking,
        "flash_needed": fit.flash,
        "flash_lacking": fit.flash_lacking,
        "widest": fit.widest,
        "widest_external": fit.widest_external,
    }


def _print(found: list[dict[str, Any]], as_json: bool, row: Any) -> None:
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    rows = [row(facts) for facts in found]
    print_markdown(list(rows[0]), [tuple(cells.values()) for cells in rows])


def _about_row(facts: dict[str, Any]) -> dict[str, str]:
    return {
        "board": facts["board"],
        "": f"{facts['title']}, {facts['core']}",
        "RAM": f"{facts['ram']:,}",
        "external RAM": _bytes(facts["external_ram"]),
        "flash": f"{facts['flash']:,}",
        "image": facts["image"],
        "flashed by": ", ".join(facts["flashed_by"]),
    }


def _fit_row(facts: dict[str, Any]) -> dict[str, str]:
    external = facts["widest_external"]
    return {
        "board": facts["board"],
        "core": facts["core"],
        "RAM": f"{facts['ram']:,}",
        "needed": f"{facts['ram_needed']:,}",
        "flash": f"{facts['flash']:,}",
        "needed at most": f"{facts['flash_needed']:,}",
        "fits": _verdict(facts),
        "widest": f"{facts['widest']:,}",
        "widest, external RAM": "" if external is None else f"{external:,}",
    }


def _verdict(facts: dict[str, Any]) -> str:
    lacks = [
        f"lacks {facts[key]:,} bytes of {name}"
        for key, name in (("ram_lacking", "RAM"), ("flash_lacking", "flash"))
        if facts[key]
    ]
    return ", ".join(lacks) or "yes"


def _bytes(count: int) -> str:
    return f"{count:,}" if count else ""


# --- flash


def flash(
    board: BoardOption,
    image: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="PATH",
            help="A file, or the folder that `edge-sr firmware build` wrote.",
            show_default="the only one of the board in artifacts",
        ),
    ] = None,
    tool: Annotated[
        str | None,
        typer.Option(help="What writes the flash.", show_default="one that is installed"),
    ] = None,
    port: Annotated[
        str | None,
        typer.Option(help="Serial port, for esptool and bossac.", show_default="the tool's choice"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the command only.")] = False,
) -> None:
    """Write an image into a board's flash with openocd, st-flash, esptool, picotool or the like."""
    from firmware_harness import board_file
    from firmware_harness import flash as flashing

    target = board_file.find(board)
    job = flashing.prepare(target, image, tool, port)
    if dry_run:
        typer.echo(shlex.join(job.command))
        return
    try:
        flashing.run(job)
    except flashing.Interrupted as stop:
        typer.echo(f"edge-sr: {job.name} was interrupted: {stop}", err=True)
        raise
    typer.echo(f"{job.image} is on {target.name}, says {job.name}")
