"""Prints the tables of reports on a terminal or as Markdown."""

import re
import sys
from typing import TYPE_CHECKING

import typer

from edge_sr.cli.common import print_markdown

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as Drawn

    from benchmarks.reports.table import Row, Table

_WIDE = 1000
_GAP = 3
"""Characters between two columns."""

_MARKDOWN = re.compile(r"([\\`*_\[\]<>|#~])")


def show(table: "Table", markdown: bool) -> None:
    """Print a table with its title and note."""
    (_show_markdown if markdown else _show)(table)


def show_text(text: str) -> None:
    """Print a text, wrapped between words on a terminal."""
    from rich.text import Text

    _console().print(Text(text))


def _console() -> "Console":
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)


def escape(text: str) -> str:
    """Escape a text for Markdown."""
    return _MARKDOWN.sub(r"\\\1", text)


def _columns(table: "Table") -> list[str]:
    return [*table.headings, *(["remarks"] if any(_remarks(row) for row in table.rows) else [])]


def _cells(row: "Row", count: int) -> list[str]:
    return [*row.cells, _remarks(row)][:count]


def _remarks(row: "Row") -> str:
    return ", ".join([*row.flags, *([row.reason] if row.reason else [])])


def _show_markdown(table: "Table") -> None:
    columns = _columns(table)
    if table.title:
        typer.echo(f"\n### {escape(table.title)}\n")
    rows = [[escape(cell) for cell in _cells(row, len(columns))] for row in table.rows]
    print_markdown([escape(column) for column in columns], rows)
    if table.note:
        typer.echo(f"\n{escape(table.note)}")


def _show(table: "Table") -> None:
    """Print a table; on a terminal, stack the rows where the columns do not fit."""
    from rich.text import Text

    console = _console()
    if table.title:
        console.print(Text(table.title, style="bold"))
    widths = _widths(table, console.width)
    if widths is None:
        _print_stacked(table, console)
    elif table.rows:
        console.print(_drawn(table, widths), "")
    if table.note:
        console.print(Text(f"{table.note}\n", style="dim"))


def _widths(table: "Table", width: int) -> list[int] | None:
    """Return column widths that cut no word, or None if the terminal is too narrow."""
    from rich.cells import cell_len

    columns = _columns(table)
    texts = zip(columns, *(_cells(row, len(columns)) for row in table.rows), strict=True)
    needs = [(max(map(_longest_word, column)), max(map(cell_len, column))) for column in texts]
    widths = [least for least, _ in needs]
    room = width - _GAP * (len(columns) - 1) - sum(widths)
    if room < 0:
        return None
    for index in sorted(range(len(needs)), key=lambda index: needs[index][1] - widths[index]):
        more = min(needs[index][1] - widths[index], room)
        widths[index] += more
        room -= more
    return widths


def _longest_word(text: str) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, text.split()), default=0)


def _drawn(table: "Table", widths: list[int]) -> "Drawn":
    from rich import box
    from rich.table import Table as Drawn
    from rich.text import Text

    columns = _columns(table)
    drawn = Drawn(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index, (column, width) in enumerate(zip(columns, widths, strict=True)):
        prose = table.prose or index in (0, len(table.headings))
        drawn.add_column(
            Text(column), justify="left" if prose else "right", overflow="fold", width=width
        )
    for row in table.rows:
        drawn.add_row(*map(Text, _cells(row, len(columns))), style=_style(row))
    return drawn


def _style(row: "Row") -> str | None:
    return "red" if "wrong" in row.flags else "dim" if row.reason else None


def _print_stacked(table: "Table", console: "Console") -> None:
    """Print each row as a paragraph that begins with its first cell."""
    from rich.padding import Padding
    from rich.text import Text

    columns = _columns(table)
    for row in table.rows:
        first, *others = _cells(row, len(columns))
        console.print(Text(first, style=_style(row) or ""))
        named = zip(columns[1:], others, strict=True)
        text = ", ".join(f"{name} {cell}" for name, cell in named if cell)
        console.print(Padding(Text(text, style=_style(row) or ""), (0, 0, 0, 2)))
    console.print()
