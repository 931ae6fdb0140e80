"""Makes the page of a report: one HTML file without scripts that loads nothing."""

from collections.abc import Sequence
from typing import Any

from benchmarks.reports.report import Section, sections
from benchmarks.reports.sources import Source
from benchmarks.reports.table import Table
from edge_sr.errors import require


def render(sources: Sequence[Source]) -> str:
    """Return the page as HTML.

    Raises:
        UserError: Jinja or Matplotlib is missing.
    """
    jinja2 = require("jinja2", "plot")
    require("matplotlib", "plot")
    from benchmarks.reports.page import plots

    # A template escapes every text except Markup, which only the drawings of plots are.
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("benchmarks.reports", "page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = [_shown(section, number, plots) for number, section in enumerate(sections(sources), 1)]
    text: str = environment.get_template("report.html").render(sections=shown)
    return text


def _shown(section: Section, number: int, plots: Any) -> dict[str, object]:
    return {
        "anchor": f"record-{number}",
        "section": section,
        "figures": plots.draw(section.source.record, f"f{number}"),
        "summaries": [(table, _fits_a_card(table)) for table in section.summaries],
    }


def _fits_a_card(table: Table) -> bool:
    """Return whether a phone shows each row as a list; tables of many rows scroll instead."""
    return len(table.rows) <= 8
