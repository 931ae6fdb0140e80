"""Options that several of the `edge-sr firmware` commands share."""

from typing import Annotated

import typer

from edge_sr.zoo.catalog import CODEC

DEFAULT_WIDTH = 160
"""Frame width in pixels where `--width` is not given."""


def complete_board(incomplete: str) -> list[str]:
    """Complete the name of a known board."""
    from firmware_harness import board_file

    return [name for name in board_file.names() if name.startswith(incomplete)]


BoardOption = Annotated[
    str,
    typer.Option(
        autocompletion=complete_board,
        help="Name of a board (`edge-sr firmware boards`), or your own .toml file.",
    ),
]
RateOption = Annotated[
    int | None,
    typer.Option(
        help=f"Rate of {CODEC}-encoder: 4, 16, 64 or 256.", show_default="16, or the file's"
    ),
]
