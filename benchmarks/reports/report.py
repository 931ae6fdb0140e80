"""Makes tables of records; a report never times anything."""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.reports.choice import Advice, Choice, advise, choose, fastest_each, label
from benchmarks.reports.compare import LEVEL, Comparison, Ratio
from benchmarks.reports.sources import (
    Source,
    is_right,
    network_name,
    plural,
    size,
    where,
)
from benchmarks.reports.table import Row, Table, milliseconds
from edge_sr.records import Conditions, MemoryKind, Part, Precision, Record, Result, Scope, Timing

NOT_MEASURED = "not measured"
MAX_OPERATORS = 5
_PUBLISHED = Path(__file__).parent / "published.toml"


@dataclass(frozen=True)
class Section:
    """The report of one record.

    Attributes:
        source: the record.
        warnings: sentences about the whole record.
        advice: a case and a recommendation for each network, image and number of threads.
        summaries: tables that summarize all cases.
        results: a table for each network and image.
        facts: tables about the device.
    """

    source: Source
    warnings: tuple[str, ...]
    advice: tuple[tuple[str, str], ...]
    summaries: tuple[Table, ...]
    results: tuple[Table, ...]
    facts: tuple[Table, ...]

    @property
    def tables(self) -> tuple[Table, ...]:
        """All tables."""
        return (*self.summaries, *self.results, *self.facts)


def sections(sources: Sequence[Source]) -> list[Section]:
    """Return a section for each record: times of two records are not of one run."""
    return [_section(source) for source in sources]


def _section(source: Source) -> Section:
    record = source.record
    advice = advise(record)
    summaries = [_published(record), _choices(advice), _overall(advice), _boards(record)]
    return Section(
        source,
        tuple(_warnings(record)),
        tuple(_sentences(advice)),
        tuple(table for table in summaries if table.rows),
        tuple(_results(record)),
        tuple(it for it in (_facts(record), _operators(record), _counts(record)) if it.rows),
    )


def _warnings(record: Record) -> Iterable[str]:
    if not record.complete:
        yield (
            f"This record is partial: {len(record.results)} of {record.planned} cases were "
            "measured before an interruption."
        )
    if record.device.emulated:
        yield (
            f"The device is emulated by {record.device.emulated}: these are not the times of a "
            "board."
        )
    timed = [result for result in record.results if result.timings]
    for flag, meaning in (
        ("wrong", "failed the output check and are excluded from recommendations"),
        ("throttled", "ran while the device was throttled"),
        ("noisy", "ran while other processes did, or have widely spread samples"),
        ("unstable", "did not become stable during warm-up"),
    ):
        count = sum(flag in result.marks for result in timed)
        if count:
            yield f"{flag.capitalize()}: {count} of {plural(len(timed), 'timed case')} {meaning}."


# --- recommendations


def _within(item: Advice) -> str:
    return f"at most {plural(item.threads, 'thread')}"


def _sentences(advice: Iterable[Advice]) -> Iterable[tuple[str, str]]:
    for item in advice:
        yield f"{item.network}, {item.image}, {_within(item)}", item.best.sentence


def _choices(advice: Iterable[Advice]) -> Table:
    rows = [
        Row((item.network, item.image, str(item.threads), precision, *_choice(choice)))
        for item in advice
        for precision, choice in item.by_precision.items()
    ]
    headings = ("network", "image", "max threads", "precision", "recommended", "ms", "speed-up")
    note = (
        "The fastest runtime that passed the output check. Speed-up: ratio of medians to the next "
        f"runtime, with its {LEVEL} % interval; noise: the ratio may be 1."
    )
    return Table("Recommended runtimes", (*headings, "over"), tuple(rows), note)


def _choice(choice: Choice) -> tuple[str, ...]:
    best = (label(choice.best), _p50(choice.best))
    if choice.next is None or choice.ratio is None:
        return (*best, "", "no other was measured")
    speed_up = f"{choice.ratio.value:.2f}x ({choice.ratio.interval})"
    return (*best, _doubted(speed_up, choice.ratio), label(choice.next))


def _doubted(text: str, found: Ratio) -> str:
    return f"{text}, {found.doubt}" if found.doubt else text


def _overall(advice: Iterable[Advice]) -> Table:
    rows = []
    for item in advice:
        if item.duel is not None and item.duel.ratio is not None:
            bests = {it.best.case.network.precision: it.best for it in item.by_precision.values()}
            int8, float32 = bests["int8"], bests["float32"]
            value = item.duel.ratio.value
            speed_up = value if item.duel.best is int8 else 1 / value
            cells = (label(int8), _p50(int8), label(float32), _p50(float32))
            verdict = _doubted(f"{speed_up:.2f}x", item.duel.ratio)
            rows.append(Row((item.network, item.image, str(item.threads), *cells, verdict)))
    headings = ("network", "image", "max threads", "best int8", "ms", "best float32", "ms")
    return Table("int8 against float32", (*headings, "speed-up of int8"), tuple(rows))


def _p50(result: Result, scope: Scope = "run") -> str:
    timing = result.timing(scope)
    return NOT_MEASURED if timing is None else milliseconds(timing.p50)


# --- the published table


@cache
def published() -> dict[str, Any]:
    """Return the execution times in the slides, and their source."""
    return tomllib.loads(_PUBLISHED.read_text(encoding="utf-8"))


def _published(record: Record) -> Table:
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
    return f"{_p50(best, scope)} ({label(best)})"


# --- results


_COLUMNS = ("runtime", "p50 ms", "p90", "p99", "min", "spread", "cold start ms", "arena kB")


def _results(record: Record) -> Iterable[Table]:
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in record.results:
        if result.case.board is None:
            groups.setdefault((network_name(result.case), size(result.case)), []).append(result)
    for (network, image), results in groups.items():
        rows = [row for result in results for row in _rows(result)]
        note = "; ".join(_about(results))
        headings = (*_COLUMNS, "peak RSS MB", "GMAC/s")
        yield Table(f"{network}, image of {image}", headings, tuple(rows), note)


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


def memory(result: Result, *kinds: MemoryKind) -> int | None:
    """Return the bytes of the first of these kinds that the result has, or None."""
    return next((item.bytes for kind in kinds for item in result.memory if item.kind == kind), None)


def _flags(result: Result) -> tuple[str, ...]:
    """Return the result's flags, and "unchecked" where its output was not compared."""
    unchecked = result.output is None or result.output.right is None
    return (*result.marks, "unchecked") if unchecked else result.marks


def _boards(record: Record) -> Table:
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


# --- the device


def _facts(record: Record) -> Table:
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


def _operators(record: Record) -> Table:
    """Return the slowest operators of each case whose runtime times them."""
    rows = []
    for result in record.results:
        whole = sum(it.ns for it in result.operators)
        for it in sorted(result.operators, key=lambda it: -it.ns)[:MAX_OPERATORS]:
            share = f"{it.ns / whole:.0%}" if whole else ""
            figures = (str(it.count), f"{it.ns / 1e6:.3f}", share)
            rows.append(Row((result.case.key, f"{it.name} ({it.device})", *figures)))
    note = (
        f"The {MAX_OPERATORS} slowest kinds of operators of each case, from a profiled run, which "
        "is slower; only ONNX Runtime reports them."
    )
    headings = ("case", "operator", "count", "ms", "share")
    return Table("Slowest operators", headings, tuple(rows), note)


def _counts(record: Record) -> Table:
    """Return what each figure counts, in the record's words, once for each runtime."""
    found: dict[tuple[str, str], str] = {}
    for result in record.results:
        name = where(result.case) if result.case.board else result.case.runtime_name
        for item in result.memory:
            found.setdefault((item.kind, name), item.counts)
        for timing in result.timings:
            found.setdefault((f"time, {timing.scope}", name), timing.counts)
    rows = tuple(Row((kind, name, counts)) for (kind, name), counts in sorted(found.items()))
    return Table("What the figures count", ("figure", "runtime", "counts"), rows, prose=True)


# --- a comparison


def compared(comparison: Comparison) -> Table:
    """Return a table of two records' cases."""
    rows = []
    for pair in comparison.pairs:
        scope = f": {pair.scope}" if pair.scope not in (None, "run") else ""
        ratio = (
            ("", "") if pair.ratio is None else (f"{pair.ratio.value:.3f}x", pair.ratio.interval)
        )
        figures = (_figure(pair.a, pair.scope), _figure(pair.b, pair.scope))
        rows.append(Row((pair.key + scope, *figures, *ratio, pair.verdict)))
    headings = ("case", "A, p50 ms", "B, p50 ms", "speed-up of B", f"{LEVEL} % interval")
    return Table("", (*headings, "verdict"), tuple(rows))


def _figure(result: Result, scope: Scope | None) -> str:
    if scope is not None:
        return _p50(result, scope)
    counted = result.instructions
    return f"{counted.frame:,} instructions" if counted else result.status
