"""Reads the papers' figures from published.toml."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from edge_sr.errors import UserError


@dataclass(frozen=True)
class Published:
    """A published table.

    Attributes:
        source: the publication.
        figures: by figure, row and column; unpublished figures are left out.
        counts: by name ("parameters", "parameters_percent", "psnr_gain_percent") and row.
    """

    source: str
    figures: Mapping[str, Mapping[str, Mapping[str, float]]]
    counts: Mapping[str, Mapping[str, float]]

    def rows(self, figure: str) -> list[str]:
        """Return the rows that have this figure, in order."""
        return [row for row, cells in self.figures.get(figure, {}).items() if cells]


@cache
def _tables() -> dict[str, Any]:
    path = Path(__file__).with_name("published.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def load(name: str) -> Published:
    """Return the table of that name; an empty one for "".

    Raises:
        UserError: no table has that name.
    """
    if not name:
        return Published("", {}, {})
    if name not in _tables():
        raise UserError(f"unknown published table {name!r}; available: {', '.join(_tables())}")
    table = dict(_tables()[name])
    source, columns = table.pop("source"), table.pop("columns")
    figures = {
        figure: {
            row: {c: v for c, v in zip(columns, values, strict=True) if not math.isnan(v)}
            for row, values in table.pop(figure).items()
        }
        for figure in ("psnr", "ssim")
        if figure in table
    }
    return Published(source, figures, table)
