"""The papers' own figures, from published.toml."""

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
    """A table as it is printed.

    Attributes:
        source: where.
        figures: by figure, row and column; what is not printed lacks.
        counts: by name ("parameters", "parameters_percent", "psnr_gain_percent") and row.
    """

    source: str
    figures: Mapping[str, Mapping[str, Mapping[str, float]]]
    counts: Mapping[str, Mapping[str, float]]

    def rows(self, figure: str) -> list[str]:
        """The rows that have any such figure, in order."""
        return [row for row, cells in self.figures.get(figure, {}).items() if cells]


@cache
def _tables() -> dict[str, Any]:
    path = Path(__file__).with_name("published.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def load(name: str) -> Published:
    """The table of that name; one of nothing for "".

    Raises:
        UserError: there is none.
    """
    if not name:
        return Published("", {}, {})
    if name not in _tables():
        raise UserError(f"there is no published table {name!r}; there are {', '.join(_tables())}")
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
