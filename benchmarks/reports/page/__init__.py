"""The page of a report: one HTML file that needs nothing else, neither network nor script."""

from collections.abc import Sequence
from typing import Any

from benchmarks.reports.report import Section, Table, sections
from benchmarks.reports.sources import Source
from edge_sr.errors import require


def render(sources: Sequence[Source]) -> str:
    """The page.

    Raises:
        UserError: a package that it is made with is missing.
    """
    jinja2 = require("jinja2", "plot")
    require("matplotlib", "plot")
    from benchmarks.reports.page import plots

    # Everything that a template shows is escaped, but for what is marked as Markup, which plots
    # makes of drawings alone.
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
    """Whether each row can be read as a list on a phone; many rows are better scrolled."""
    return len(table.rows) <= 8
