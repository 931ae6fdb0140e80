"""Makes the table of published and measured execution times."""

import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.reports.choice import NOT_MEASURED, choose, fastest_each, label, p50_text
from benchmarks.reports.sources import is_right, size
from benchmarks.reports.table import Row, Table
from edge_sr.records import Part, Precision, Record, Result, Scope

_PUBLISHED = Path(__file__).parent / "published.toml"


@cache
def published() -> dict[str, Any]:
    """Return the execution times in the slides, and their source."""
    return tomllib.loads(_PUBLISHED.read_text(encoding="utf-8"))


def published_table(record: Record) -> Table:
    """Return published and measured times; no rows where the record is of another suite."""
    printed = published()
    headings = (
        *("network", "published, CPU", "ours, CPU int8", "ours, CPU float32"),
        *("published, GPU", "ours, GPU", "ours, GPU without transfers"),
    )
    times = printed["execution_time_ms"].items() if record.suite == printed["suite"] else ()
    rows = [
        Row((f"{network} {part}", *_measured(record, network, part, figures)))
        for network, parts in times
        for part, figures in parts.items()
    ]
    note = (
        f"Milliseconds for an image of {printed['size']}. Published: {printed['source']}; its "
        "devices are not named, so there is no ratio. Ours: the median of the fastest runtime that "
        "passed the output check."
    )
    return Table("Execution time, published and measured", headings, tuple(rows), note)


def _measured(
    record: Record, network: str, part: Part, figures: dict[str, float]
) -> tuple[str, ...]:
    of_case = [
        result
        for result in record.results
        if (result.case.network.name, result.case.network.part) == (network, part)
        and size(result.case) == published()["size"]
        and is_right(result)
    ]
    host = [result for result in of_case if result.case.delegate != "cuda"]
    cuda = [result for result in of_case if result.case.delegate == "cuda"]
    precisions: tuple[Precision, ...] = ("int8", "float32")
    ours = [_fastest([it for it in host if it.case.network.precision == p]) for p in precisions]
    gpu = [_fastest(cuda, scope) for scope in ("run", "device")]
    return (str(figures["cpu"]), *ours, str(figures["gpu"]), *gpu)


def _fastest(results: Iterable[Result], scope: Scope = "run") -> str:
    timed = [result for result in results if result.timing("run") and result.timing(scope)]
    if not timed:
        return NOT_MEASURED
    best = choose(fastest_each(timed)).best
    return f"{p50_text(best, scope)} ({label(best)})"
