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
WeightsOption = Annotated[
    str,
    typer.Option(
        help="Weights of networks of one size: compact (one byte each), expanded (two bytes where "
        "Cortex-M4, M7 and M33 have faster kernels for them), or auto (expanded in small networks, "
        "and in the layers of large ones that gain most)."
    ),
]
RateOption = Annotated[
    int | None,
    typer.Option(
        help=f"Rate of {CODEC}-encoder: 4, 16, 64 or 256.", show_default="16, or the file's"
    ),
]
