"""Tables of text, which the terminal, Markdown and pages show."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        cells: texts.
        flags: such as "noisy": why the figures may not be trusted.
        reason: why there are no figures; empty where there are.
    """

    cells: tuple[str, ...]
    flags: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: of the table; may be empty.
        headings: of the columns.
        rows: of the table.
        note: what the figures count.
        prose: whether the columns after the first are text; else they are figures.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[Row, ...]
    note: str = ""
    prose: bool = False


def milliseconds(value: float) -> str:
    """Return a time with three or four significant digits."""
    return f"{value:.{0 if value >= 1000 else 1 if value >= 100 else 2 if value >= 10 else 3}f}"
