"""`edge-sr models --fit`: the shipped upscalers that a microcontroller has room for."""

from typing import Any

from edge_sr.cli.common import print_markdown
from edge_sr.errors import UserError

WIDTH = 320


def refuse_limits(given: dict[str, Any]) -> None:
    """Refuse options that say what fits where nothing is to fit.

    Raises:
        UserError: one was given.
    """
    for name, value in given.items():
        if value is not None:
            raise UserError(f"{name} chooses what fits: add --fit")


def find(
    ram: str | None, flash: str | None, macs: str | None, width: int | None, scale: int | None
) -> list[dict[str, Any]]:
    """What fits, of each scale the best first, as plain values.

    Args:
        ram: bytes, as people write them.
        flash: the same.
        macs: per low-resolution pixel, as people write them.
        width: of a frame, pixels.
        scale: of this one alone.

    Raises:
        UserError: an argument is none, or nothing fits.
    """
    from dataclasses import asdict

    from edge_sr.zoo import catalog, fitting

    width = WIDTH if width is None else width
    if width < 1:
        raise UserError(f"a frame is at least 1 pixel wide, not {width}")
    limits = fitting.Limits(
        None if ram is None else fitting.parse_bytes(ram),
        None if flash is None else fitting.parse_bytes(flash),
        None if macs is None else fitting.parse_count(macs),
    )
    entries = [
        entry for entry in catalog.entries("super-resolution") if scale in (None, entry.scale)
    ]
    if not entries:
        raise UserError(f"no network of x{scale} is shipped")
    found = fitting.fitting(fitting.needs(entries, width), limits)
    return [{**asdict(need), "width": width} for need in found]


def show(found: list[dict[str, Any]]) -> None:
    """Print what fits as a table."""
    sets = list(dict.fromkeys(name for need in found for name in need["psnr"]))
    print_markdown(
        [
            "int8",
            *(f"{name}, dB" for name in sets),
            f"RAM at width {found[0]['width']}",
            "flash, code included",
            "MACs per LR pixel",
        ],
        [
            (
                need["id"],
                *(f"{need['psnr'][name]:.2f}" if name in need["psnr"] else "-" for name in sets),
                f"{need['ram']:,} bytes",
                f"{need['flash']:,} bytes",
                f"{need['macs']:,.10g}",
            )
            for need in found
        ],
    )
