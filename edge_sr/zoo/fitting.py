"""Finds the shipped networks that fit a microcontroller, the best first."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge_sr import graph
from edge_sr.engine.plan import make_plan
from edge_sr.errors import UserError
from edge_sr.zoo import catalog
from edge_sr.zoo.catalog import Entry

ENGINE_CODE_BYTES = 10_240
"""Flash of the engine's code, with the compiler's library functions that it calls: the largest
value on the boards of the regression gate, rounded up."""

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KM]?)(?:i?B)?", re.IGNORECASE)
_BYTES = {"": 1, "K": 1024, "M": 1024**2}
_COUNT = {"": 1, "K": 1000, "M": 1000**2}


@dataclass(frozen=True)
class Limits:
    """The limits of a microcontroller; None means no limit.

    Attributes:
        ram: bytes for the engine's arena.
        flash: bytes for the network and the engine's code.
        macs: multiply-accumulates per low-resolution pixel.
    """

    ram: int | None = None
    flash: int | None = None
    macs: int | None = None


@dataclass(frozen=True)
class Need:
    """What a shipped int8 network needs in the streaming engine, and its quality.

    Attributes:
        id: of the network.
        model: its name without the scale.
        scale: its scale.
        ram: bytes of arena at the requested frame width.
        flash: bytes of the weights, in the largest kernel layout, and of the engine code.
        macs: multiply-accumulates per low-resolution pixel.
        psnr: int8 PSNR in dB by test set, from its card.
    """

    id: str
    model: str
    scale: int
    ram: int
    flash: int
    macs: float
    psnr: dict[str, float]

    def excess(self, limits: Limits) -> dict[str, float]:
        """Return need / limit for each limit that is exceeded."""
        pairs = {
            "RAM": (self.ram, limits.ram),
            "flash": (self.flash, limits.flash),
            "MACs": (self.macs, limits.macs),
        }
        return {
            name: need / limit
            for name, (need, limit) in pairs.items()
            if limit is not None and need > limit
        }


def parse_bytes(text: str) -> int:
    """Parse a size in bytes, "64K", "1M" or "65536"; K is 1024.

    Raises:
        UserError: the text is not a size, or 0.
    """
    return _parse(text, _BYTES, "is not a size in bytes; write 65536, 64K or 1M")


def parse_count(text: str) -> int:
    """Parse a number of MACs, "1500", "1.5K" or "2M"; K is 1000.

    Raises:
        UserError: the text is not a number, or 0.
    """
    return _parse(text, _COUNT, "is not a number of MACs; write 1500, 1.5K or 2M")


def _parse(text: str, factors: dict[str, int], refusal: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    value = int(float(match[1]) * factors[match[2].upper()]) if match else 0
    if value < 1:
        raise UserError(f"{text!r} {refusal}")
    return value


def find(limits: Limits, width: int, scale: int | None = None) -> list[Need]:
    """Find the shipped upscalers within the limits, as `fitting` sorts them.

    Args:
        limits: of the microcontroller.
        width: of the input frame in pixels.
        scale: list networks of this scale only; None for all.

    Raises:
        UserError: the width is below 1 or too large, or no network has the scale or fits.
    """
    if width < 1:
        raise UserError(f"a frame is at least 1 pixel wide, not {width}")
    entries = [
        entry for entry in catalog.entries("super-resolution") if scale in (None, entry.scale)
    ]
    if not entries:
        raise UserError(f"no network of x{scale} is shipped")
    return fitting(needs(entries, width), limits)


def needs(entries: Iterable[Entry], width: int) -> list[Need]:
    """Return what networks need at a frame width; those that the engine cannot run are left out.

    Raises:
        UserError: the engine can run none of them at that width.
    """
    runnable, refusals = [], []
    for entry in entries:
        try:
            runnable.append(_need(entry, width))
        except UserError as error:
            refusals.append(str(error))
    if not runnable:
        raise UserError(refusals[0] if refusals else "no networks are shipped")
    return runnable


def _need(entry: Entry, width: int) -> Need:
    plan = make_plan(graph.read_graph(entry.file("int8")))
    scores = entry.card.scores("int8")
    return Need(
        entry.id,
        entry.model,
        entry.scale,
        plan.arena_bytes(width),
        plan.flash_bytes + ENGINE_CODE_BYTES,
        plan.macs,
        {name: score["psnr"] for name, score in scores.items()},
    )


def fitting(candidates: Sequence[Need], limits: Limits) -> list[Need]:
    """Return the networks within the limits: by scale, then by test sets, the best mean PSNR first.

    Raises:
        UserError: none fits; the text names the nearest one.
    """
    fits = [need for need in candidates if not need.excess(limits)]
    if not fits:
        raise UserError(_nearest(candidates, limits))
    test_sets = list(dict.fromkeys(tuple(need.psnr) for need in candidates))
    return sorted(
        fits, key=lambda need: (need.scale, test_sets.index(tuple(need.psnr)), -_mean(need.psnr))
    )


def _mean(psnr: dict[str, float]) -> float:
    return sum(psnr.values()) / len(psnr)


def _nearest(candidates: Sequence[Need], limits: Limits) -> str:
    nearest = min(candidates, key=lambda need: max(need.excess(limits).values()))
    costs = {
        "RAM": (f"{nearest.ram:,} bytes of RAM", limits.ram),
        "flash": (f"{nearest.flash:,} bytes of flash", limits.flash),
        "MACs": (f"{nearest.macs:,.10g} MACs per pixel", limits.macs),
    }
    needed = " and ".join(
        f"{costs[name][0]} (the limit is {costs[name][1]:,})" for name in nearest.excess(limits)
    )
    return f"no shipped network fits; the nearest, {nearest.id}, needs {needed}"
