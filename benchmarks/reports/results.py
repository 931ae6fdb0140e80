"""Makes the tables of results: timings of runtimes, and counts of emulated boards."""

from collections.abc import Iterable, Sequence

from benchmarks.reports.outputs import outputs_tables
from benchmarks.reports.sources import input_text, memory, network_name, size, where
from benchmarks.reports.table import Row, Table, milliseconds
from edge_sr.records import MemoryKind, Record, Result, Timing

_COLUMNS = ("runtime", "p50 ms", "p90", "p99", "min", "spread", "cold start ms", "arena kB")


def result_tables(record: Record) -> Iterable[Table]:
    """Yield a table for each network and image."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in record.results:
        if result.case.board is None:
            named = network_name(result.case), input_text(result.case)
            groups.setdefault(named, []).append(result)
    for (network, image), results in groups.items():
        rows = [row for result in results for row in _rows(result)]
        note = "; ".join(_about(results))
        headings = (*_COLUMNS, "peak RSS MB", "GMAC/s")
        yield Table(f"{network}, {image}", headings, tuple(rows), note)
        yield from outputs_tables(results)


def _about(results: Sequence[Result]) -> Iterable[str]:
    """Yield facts of the network, from the first result that has them."""
    networks = [result.case.network for result in results]
    if parameters := next((it.parameters for it in networks if it.parameters is not None), None):
        yield f"{parameters:,} parameters"
    if macs := next((it.macs for it in networks if it.macs is not None), None):
        yield f"{macs / 1e6:,.1f} million MACs"
    scores = {it.precision: it.quality for it in networks if it.quality}
    for precision, quality in scores.items():
        shown = (f"{score.dataset} {score.psnr:.2f} dB" for score in quality)
        yield f"{precision} quality (card): {', '.join(shown)}"


def _rows(result: Result) -> Iterable[Row]:
    """Yield a row for each timing, or one that says why there is none."""
    case = result.case
    kernels = f" ({result.kernels})" if result.kernels else ""
    name = f"{case.runtime_name}{kernels} {case.network.precision}, {where(case)}"
    if not result.timings:
        blank = ("",) * len(_COLUMNS)
        yield Row((name, result.status, *blank), result.marks, result.reason or "")
    for index, timing in enumerate(result.timings):
        named = name if timing.scope == "run" else f"{name}: {timing.scope}"
        more = ("", "", "", "") if index else _per_case(result)
        yield Row((named, *_percentiles(timing), *more), _flags(result))


def _percentiles(timing: Timing) -> tuple[str, ...]:
    values = [timing.p50, timing.percentile(90), timing.percentile(99), timing.best]
    return (*map(milliseconds, values), f"{timing.spread:.1%}")


def _per_case(result: Result) -> tuple[str, ...]:
    cold, run, macs = result.cold, result.timing("run"), result.case.network.macs
    arena = memory(result, "runtime arena", "tflm arena")
    peak = memory(result, "peak rss")
    return (
        "" if cold is None else f"{(cold.import_ns + cold.load_ns + cold.first_ns) / 1e6:.1f}",
        "" if arena is None else f"{arena / 1e3:,.1f}",
        "" if peak is None else f"{peak / 1e6:,.1f}",
        "" if run is None or macs is None else f"{macs / run.p50 / 1e6:.2f}",
    )


def _flags(result: Result) -> tuple[str, ...]:
    """Return the result's flags, and "unchecked" where its output was not compared."""
    unchecked = result.output is None or result.output.right is None
    return (*result.marks, "unchecked") if unchecked else result.marks


def boards_table(record: Record) -> Table:
    """Return a table of the cases on emulated boards."""
    headings = ("network", "image", "board", "instructions/frame", "per MAC", "to open")
    rows = [_board_row(result) for result in record.results if result.case.board is not None]
    note = (
        "Executed instructions, counted by an emulator; they are not cycles and say nothing about "
        "time."
    )
    kinds = ("engine RAM kB", "stack kB", "flash kB")
    return Table("Emulated boards", (*headings, *kinds), tuple(rows), note)


def _board_row(result: Result) -> Row:
    case, counted = result.case, result.instructions
    names = (f"{network_name(case)} {case.network.precision}", size(case), where(case))
    if counted is None:
        return Row((*names, result.status, *("",) * 5), result.marks, result.reason or "")
    macs = case.network.macs
    kinds: tuple[MemoryKind, ...] = ("engine ram", "stack", "flash")
    sizes = [memory(result, kind) for kind in kinds]
    cells = (
        f"{counted.frame:,}",
        f"{counted.frame / macs:.2f}" if macs else "",
        f"{counted.open:,}",
        *("" if item is None else f"{item / 1e3:,.1f}" for item in sizes),
    )
    return Row((*names, *cells), _flags(result))
