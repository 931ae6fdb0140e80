"""Makes the tables of a new measurement, which fit a terminal of 80 columns."""

from collections.abc import Iterable

from benchmarks.reports.choice import label
from benchmarks.reports.outputs import outputs_tables
from benchmarks.reports.sources import harmless, input_text, memory, network_name, where
from benchmarks.reports.table import Row, Table, milliseconds
from edge_sr.records import Record, Result

_HEADINGS = ("runtime", "run on", "p50 ms", "p99", "spread", "RSS MB")


_HOST = "; compared with the engine on this machine, for which tflite-micro has no wheel"


def summary_tables(record: Record) -> list[Table]:
    """Return a table for each network and image."""
    groups: dict[str, list[Result]] = {}
    for result in harmless(record).results:
        title = f"{network_name(result.case)}, {input_text(result.case)}"
        groups.setdefault(title, []).append(result)
    return [
        table
        for title, results in groups.items()
        for table in (_table(title, results), *outputs_tables(results))
    ]


def _table(title: str, results: list[Result]) -> Table:
    """Return a table of the timings, with a note on cases without one."""
    rows = [row for result in results for row in _rows(result)]
    sentences = [f"{label(it)}: {_without_time(it)}" for it in results if not it.timings]
    return Table(title, _HEADINGS, tuple(rows), "\n".join(sentences))


def _without_time(result: Result) -> str:
    if result.instructions is not None:
        counted = f"{result.instructions.frame:,} instructions (emulated, not cycles)"
        by_engine = result.output is not None and result.output.reference == "engine"
        return f"{counted}{_HOST if by_engine else ''}"
    return f"{result.status}: {result.reason}"


def _rows(result: Result) -> Iterable[Row]:
    """Yield a row for each timing."""
    case, peak = result.case, memory(result, "peak rss")
    name = f"{case.runtime_name} {case.network.precision}"
    for timing in result.timings:
        named = name if timing.scope == "run" else f"{name}: {timing.scope}"
        figures = (milliseconds(timing.p50), milliseconds(timing.percentile(99)))
        resident = f"{peak / 1e6:.1f}" if peak is not None and timing.scope == "run" else ""
        cells = (named, where(case), *figures, f"{timing.spread:.1%}", resident)
        yield Row(cells, result.marks)
