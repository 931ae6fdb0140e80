"""`edge-sr firmware boards`: the known boards, and what of a model fits on each."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_sr.cli.common import ForceOption, ScaleOption, print_markdown
from edge_sr.cli.firmware.network import at_size, read_network
from edge_sr.cli.firmware.options import DEFAULT_WIDTH, RateOption, WeightsOption
from edge_sr.cli.json_csv import JsonOption, check_files, write_json
from edge_sr.cli.options import ModelArgument, ModelOption, one_model
from edge_sr.cli.streams import STANDARD
from edge_sr.errors import UserError

if TYPE_CHECKING:
    from edge_sr.engine.weights import Weights
    from firmware_harness.board import Board
    from firmware_harness.fit import Fit


def boards(
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
    weights: WeightsOption = "auto",
    json_file: JsonOption = None,
    force: ForceOption = False,
) -> None:
    """List the boards; with a model, print what it needs on each and whether it fits.

    RAM is the largest contiguous block at reset. A network needs its arena, stack, one row and
    variables; an encoder also needs the latents of a 4:3 frame and the coder. The maximum width
    with external RAM holds for a program that sets the RAM up and places the arena there.
    """
    from edge_sr.engine.weights import Weights
    from firmware_harness import board_file

    check_files(force, json_file)
    known = [board_file.find(name) for name in board_file.names()]
    if model is None and model_option is None:
        if (scale, rate, width, weights) != (None, None, None, "auto"):
            raise UserError(
                "--scale, --rate, --width and --weights describe a model; name one with --model"
            )
        _print([_about(board) for board in known], json_file, _about_row)
        return
    named = one_model(model, model_option)
    fits = _fits(known, named, (scale, rate), width, Weights.parse(weights))
    _print([_about(b) | _fit(fit) for b, fit in zip(known, fits, strict=True)], json_file, _fit_row)


def _fits(
    known: "list[Board]",
    model: str,
    kind: tuple[int | None, int | None],
    width: int | None,
    weights: "Weights",
) -> "list[Fit]":
    from edge_sr.runtime.obstacles import plan_of
    from firmware_harness import frames
    from firmware_harness.fit import extra_flash, extra_ram, fit

    network = at_size(read_network(model, *kind), width).graph
    plan = plan_of(network, weights)
    size = frames.width_of(plan, width)
    extra = extra_ram(network, plan), extra_flash(network, plan)
    return [fit(network, plan, size, board, *extra) for board in known]


def _about(board: "Board") -> dict[str, Any]:
    """Return the facts about a board; sizes in bytes."""
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
        "fits_external": fit.fits_external,
    }


def _print(
    facts: list[dict[str, Any]],
    json_file: Path | None,
    row: Callable[[dict[str, Any]], dict[str, str]],
) -> None:
    if json_file is not None:
        write_json(json_file, facts)
    if json_file == STANDARD:
        return
    rows = [row(each) for each in facts]
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
    row = {
        "board": facts["board"],
        "core": facts["core"],
        "RAM": f"{facts['ram']:,}",
        "RAM needed": f"{facts['ram_needed']:,}",
        "flash": f"{facts['flash']:,}",
        "flash needed, at most": f"{facts['flash_needed']:,}",
        "fits": _verdict(facts),
    }
    if facts["widest"] is None:
        external = "" if facts["external_ram"] == 0 else "yes" if facts["fits_external"] else "no"
        return row | {"fits with external RAM": external}
    external = facts["widest_external"]
    return row | {
        "max width": f"{facts['widest']:,}",
        "max width, external RAM": "" if external is None else f"{external:,}",
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
