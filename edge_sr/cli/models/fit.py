"""The table of `edge-sr models --fit`: the shipped upscalers within a microcontroller's limits."""

from typing import TYPE_CHECKING

from edge_sr.cli.common import print_markdown

if TYPE_CHECKING:
    from edge_sr.zoo.fitting import Need

WIDTH = 320
"""Width of the input frame in pixels, where `--width` is not given."""


def show(needs: "list[Need]", width: int) -> None:
    """Print the networks as a table, with what they need at a frame width in pixels."""
    sets = list(dict.fromkeys(name for need in needs for name in need.psnr))
    headings = [
        "int8",
        *(f"{name}, dB" for name in sets),
        f"arena at width {width}",
        "flash, code included",
        "MACs per LR pixel",
    ]
    rows = [
        (
            need.id,
            *(f"{need.psnr[name]:.2f}" if name in need.psnr else "-" for name in sets),
            f"{need.ram:,} bytes",
            f"{need.flash:,} bytes",
            f"{need.macs:,.10g}",
        )
        for need in needs
    ]
    print_markdown(headings, rows)
