"""The tables of reports on a terminal, or as Markdown."""

import re
import sys
from typing import TYPE_CHECKING

import typer

from edge_sr.cli.common import print_markdown

if TYPE_CHECKING:
    from benchmarks.report import Row, Table

_WIDE = 1000
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|#~])")


def show(table: "Table", markdown: bool) -> None:
    """Print a table with its title and note."""
    (_show_markdown if markdown else _show)(table)


def escape(text: str) -> str:
    """A text that means itself in Markdown."""
    return _MARKDOWN.sub(r"\\\1", text)


def _columns(table: "Table") -> list[str]:
    return [*table.headings, *(["remarks"] if any(_remarks(row) for row in table.rows) else [])]


def _cells(row: "Row", count: int) -> list[str]:
    return [*row.cells, _remarks(row)][:count]


def _remarks(row: "Row") -> str:
    return ", ".join([*row.marks, *([row.reason] if row.reason else [])])


def _show_markdown(table: "Table") -> None:
    columns = _columns(table)
    if table.title:
        typer.echo(f"\n### {escape(table.title)}\n")
    rows = [[escape(cell) for cell in _cells(row, len(columns))] for row in table.rows]
    print_markdown([escape(column) for column in columns], rows)
    if table.note:
        typer.echo(f"\n{escape(table.note)}")


def _show(table: "Table") -> None:
    """On a terminal long texts are folded to its width; elsewhere lines stay whole."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as Drawn
    from rich.text import Text

    columns = _columns(table)
    drawn = Drawn(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        prose = table.prose or index in (0, len(table.headings))
        drawn.add_column(
            Text(column), justify="left" if prose else "right", overflow="fold", no_wrap=False
        )
    for row in table.rows:
        style = "red" if "wrong" in row.marks else "dim" if row.reason else None
        drawn.add_row(*map(Text, _cells(row, len(columns))), style=style)
    console = Console(width=None if sys.stdout.isatty() else _WIDE)
    if table.title:
        console.print(Text(table.title, style="bold"))
    console.print(drawn)
    if table.note:
        console.print(Text(f"{table.note}\n", style="dim"))
