"""Which shipped networks fit a microcontroller, and how good those are."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge_sr import graph
from edge_sr.engine.plan import make_plan
from edge_sr.errors import UserError
from edge_sr.zoo.catalog import Entry

ENGINE_CODE_BYTES = 10_240
"""Flash of the engine's own code and what it takes of the compiler's libraries, on the board of the
regression gate that needs most, rounded up."""

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KM]?)(?:i?B)?", re.IGNORECASE)
_BYTES = {"": 1, "K": 1024, "M": 1024**2}
_COUNT = {"": 1, "K": 1000, "M": 1000**2}


@dataclass(frozen=True)
class Limits:
    """What there is; None where it does not matter.

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
    """What a shipped int8 network takes in the streaming engine, and gives.

    Attributes:
        id: of the network.
        model: its name without the scale.
        scale: its scale.
        ram: bytes of arena at the width that was asked for.
        flash: bytes of the network, in the form of the kernels that take most, and the code.
        macs: multiply-accumulates per low-resolution pixel.
        psnr: dB of int8 by test set, from its card.
    """

    id: str
    model: str
    scale: int
    ram: int
    flash: int
    macs: float
    psnr: dict[str, float]

    def excess(self, limits: Limits) -> dict[str, float]:
        """By what does not fit, how many times as much as there is it takes."""
        pairs = {
            "RAM": (self.ram, limits.ram),
            "flash": (self.flash, limits.flash),
            "MACs": (self.macs, limits.macs),
        }
        return {
            name: taken / there
            for name, (taken, there) in pairs.items()
            if there is not None and taken > there
        }


def parse_bytes(text: str) -> int:
    """ "64K", "1M" or "65536" as bytes; K is 1024.

    Raises:
        UserError: it is no such size, or 0.
    """
    return _parse(text, _BYTES, "a size is written 65536, 64K or 1M")


def parse_count(text: str) -> int:
    """ "1500", "1.5K" or "2M" as a number; K is 1000.

    Raises:
        UserError: it is no such number, or 0.
    """
    return _parse(text, _COUNT, "a number of MACs is written 1500, 1.5K or 2M")


def _parse(text: str, factors: dict[str, int], how: str) -> int:
    found = _SIZE.fullmatch(text.strip())
    value = int(float(found[1]) * factors[found[2].upper()]) if found else 0
    if value < 1:
        raise UserError(f"{text!r} is none: {how}")
    return value


def needs(entries: Iterable[Entry], width: int) -> list[Need]:
    """What networks take for frames of a width; those that the engine cannot run are left out.

    Raises:
        UserError: no network takes that width.
    """
    found, refusals = [], []
    for entry in entries:
        try:
            found.append(_need(entry, width))
        except UserError as error:
            refusals.append(str(error))
    if not found:
        raise UserError(refusals[0] if refusals else "no networks are shipped")
    return found


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
    """Those that fit: by scale, those judged by the same images together, the best mean PSNR first.

    Raises:
        UserError: none fits; says which is nearest.
    """
    found = [need for need in candidates if not need.excess(limits)]
    if not found:
        raise UserError(_nearest(candidates, limits))
    images = list(dict.fromkeys(tuple(need.psnr) for need in candidates))
    return sorted(
        found, key=lambda need: (need.scale, images.index(tuple(need.psnr)), -_mean(need.psnr))
    )


def _mean(psnr: dict[str, float]) -> float:
    return sum(psnr.values()) / len(psnr)


def _nearest(candidates: Sequence[Need], limits: Limits) -> str:
    nearest = min(candidates, key=lambda need: max(need.excess(limits).values()))
    taken = {
        "RAM": (f"{nearest.ram:,} bytes of RAM", limits.ram),
        "flash": (f"{nearest.flash:,} bytes of flash", limits.flash),
        "MACs": (f"{nearest.macs:,.10g} MACs per pixel", limits.macs),
    }
    needed = " and ".join(
        f"{taken[name][0]} (the limit is {taken[name][1]:,})" for name in nearest.excess(limits)
    )
    return f"no shipped network fits; nearest is {nearest.id}, it needs {needed}"
