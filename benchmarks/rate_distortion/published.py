"""Reads the slides' figures from published.toml."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ONE_IMAGE, BESIDE_JPEG, JPEG = "one_image", "beside_jpeg", "jpeg"
"""Tables of `points` by rate."""

BIT_PLANES = "bit_planes"
"""The table of `points` by number of planes."""

BIT_PLANES_RATE = 4
"""The rate of its points."""


@dataclass(frozen=True)
class Point:
    """One printed triple: bits per pixel, dB of PSNR on Y, MS-SSIM."""

    bpp: float
    psnr: float
    ms_ssim: float


@cache
def _tables() -> dict[str, Any]:
    path = Path(__file__).with_name("published.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def source() -> str:
    """Return the source of all figures."""
    return str(_tables()["source"])


def points(table: str) -> dict[int, Point]:
    """Return a table of triples by rate, or by number of planes."""
    return {int(key): Point(**point) for key, point in _tables()[table].items()}


def kodak_bpp() -> dict[int, tuple[float, float]]:
    """Return mean bpp over Kodak by rate: static, and with adaptive arithmetic coding."""
    table = _tables()["kodak_bpp"]
    return {int(rate): (line["static"], line["aac"]) for rate, line in table.items()}
