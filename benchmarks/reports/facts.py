"""Makes the tables on the device, its operators and what figures count."""

from collections.abc import Iterable

from benchmarks.reports.sources import plural, where
from benchmarks.reports.table import Row, Table
from edge_sr.records import Conditions, Record

MAX_OPERATORS = 5


def facts_table(record: Record) -> Table:
    """Return the facts of the device, its software and the record."""
    device, software, sampling = record.device, record.software, record.sampling
    conditions = [it for result in record.results for it in (result.before, result.after) if it]
    loads = [it.other_load for it in record.results if it.other_load is not None]
    facts = {
        "device": device.name or "unknown",
        "CPU": f"{device.cpu}, {device.architecture}, {plural(device.cores, 'usable core')}",
        "GPU": device.gpu or "none",
        "memory": f"{device.ram_bytes / 2**30:.1f} GiB" if device.ram_bytes else "unknown",
        "governor": device.governor or "unknown",
        "emulated": f"by {device.emulated}" if device.emulated else "no",
        "frequency": _range([it.frequencies_mhz for it in conditions], "MHz"),
        "temperature": _range([_known(it.temperature_c) for it in conditions], "°C"),
        "throttling": _throttling(conditions),
        "other processes": f"at most {max(loads):.2f} cores busy" if loads else "unknown",
        "system": f"{software.os}, Python {software.python}",
        "packages": ", ".join(f"{name} {it}" for name, it in software.packages.items()) or "none",
        "edge-sr": f"{software.edge_sr}, revision {software.git_revision or 'unknown'}",
        "record": f"suite {record.suite or 'none'}, {record.started}, "
        f"{len(record.results)} of {plural(record.planned, 'case')}",
        "samples": f"at least {sampling.samples} and {sampling.seconds:g} s, after at least "
        f"{sampling.warmup_s:g} s of warm-up",
    }
    rows = tuple(Row(item) for item in facts.items())
    return Table("Device and software", ("fact", "value"), rows, prose=True)


def _known(value: float | None) -> tuple[float, ...]:
    return () if value is None else (value,)


def _range(moments: Iterable[tuple[float, ...]], unit: str) -> str:
    """Return the range of the fastest core, or hottest zone, over all moments."""
    highest = [max(values) for values in moments if values]
    if not highest:
        return "unknown"
    return f"{min(highest):.0f} to {max(highest):.0f} {unit}"


def _throttling(conditions: Iterable[Conditions]) -> str:
    return ", ".join(sorted({flag for it in conditions for flag in it.throttling})) or "unknown"


def operators_table(record: Record) -> Table:
    """Return the slowest operators of each case whose runtime times them."""
    rows = []
    for result in record.results:
        total = sum(it.ns for it in result.operators)
        for it in sorted(result.operators, key=lambda it: -it.ns)[:MAX_OPERATORS]:
            share = f"{it.ns / total:.0%}" if total else ""
            figures = (str(it.count), f"{it.ns / 1e6:.3f}", share)
            rows.append(Row((result.case.key, f"{it.name} ({it.device})", *figures)))
    note = (
        f"The {MAX_OPERATORS} slowest kinds of operators of each case, from a profiled run, which "
        "is slower; only ONNX Runtime reports them."
    )
    headings = ("case", "operator", "count", "ms", "share")
    return Table("Slowest operators", headings, tuple(rows), note)


def counts_table(record: Record) -> Table:
    """Return what each figure counts, in the record's words, once for each runtime."""
    texts: dict[tuple[str, str], str] = {}
    for result in record.results:
        name = where(result.case) if result.case.board else result.case.runtime_name
        for item in result.memory:
            texts.setdefault((item.kind, name), item.counts)
        for timing in result.timings:
            texts.setdefault((f"time, {timing.scope}", name), timing.counts)
    rows = tuple(Row((kind, name, counts)) for (kind, name), counts in sorted(texts.items()))
    return Table("What the figures count", ("figure", "runtime", "counts"), rows, prose=True)
