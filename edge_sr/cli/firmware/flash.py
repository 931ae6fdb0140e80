"""`edge-sr firmware flash`: an image written into a board's flash."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from edge_sr.cli.common import parse_path
from edge_sr.cli.firmware.options import BoardOption


def flash(
    board: BoardOption,
    image: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="PATH",
            help="Image file, or output folder of `edge-sr firmware build`.",
            show_default="the only one for the board in artifacts",
        ),
    ] = None,
    tool: Annotated[
        str | None,
        typer.Option(help="Program that writes the flash.", show_default="an installed one"),
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
    typer.echo(f"{job.name} wrote {job.image} to {target.name}")
