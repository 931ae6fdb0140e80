"""What `edge-sr bench` shows of a measurement, narrow enough for a terminal of 80 columns."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from edge_sr.cli.tables import show
from edge_sr.errors import VerificationError

if TYPE_CHECKING:
    from benchmarks.reports.report import Row, Table
    from edge_sr.records import Record, Result

_HEADINGS = ("runtime", "run on", "p50 ms", "p99", "spread", "RSS MB")


def show_results(record: "Record") -> None:
    """Print a table for each network and image."""
    from benchmarks.reports.sources import harmless, network_name, size

    groups: dict[str, list[Result]] = {}
    for result in harmless(record).results:
        title = f"{network_name(result.case)}, image of {size(result.case)}"
        groups.setdefault(title, []).append(result)
    for title, results in groups.items():
        show(_table(title, results), markdown=False)


def _table(title: str, results: list["Result"]) -> "Table":
    """What has no time is said below, where a sentence has room."""
    from benchmarks.reports.report import Table

    rows = [row for result in results for row in _rows(result)]
    sentences = [f"{_way(it)}: {_instead(it)}" for it in results if not it.timings]
    return Table(title, _HEADINGS, tuple(rows), "\n".join(sentences))


def _way(result: "Result") -> str:
    from benchmarks.reports.choice import way

    return way(result)


def _instead(result: "Result") -> str:
    if result.instructions is not None:
        return f"{result.instructions.frame:,} instructions (emulated, not cycles)"
    return f"{result.status}: {result.reason}"


def _rows(result: "Result") -> Iterable["Row"]:
    """One for each timing."""
    from benchmarks.reports.report import Row, memory, milliseconds
    from benchmarks.reports.sources import where

    case, peak = result.case, memory(result, "peak rss")
    name = f"{case.runtime_name} {case.network.precision}"
    for timing in result.timings:
        named = name if timing.scope == "run" else f"{name}: {timing.scope}"
        figures = (milliseconds(timing.p50), milliseconds(timing.percentile(99)))
        resident = f"{peak / 1e6:.1f}" if peak is not None and timing.scope == "run" else ""
        cells = (named, where(case), *figures, f"{timing.spread:.1%}", resident)
        yield Row(cells, result.marks)


def check_outputs(record: "Record") -> None:
    """End with exit code 1 if an output is wrong.

    Raises:
        VerificationError: so.
    """
    from benchmarks.reports.sources import plain

    wrong = [
        f"{plain(result.case.key)} ({result.output.problem})"
        for result in record.results
        if "wrong" in result.marks and result.output is not None
    ]
    if wrong:
        raise VerificationError(f"the output of {'; '.join(wrong)} is wrong")
