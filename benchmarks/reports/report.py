"""Makes tables of records; a report never times anything."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.reports.choice import Advice, Choice, advise, label, p50_text
from benchmarks.reports.compare import LEVEL, Ratio
from benchmarks.reports.facts import counts_table, facts_table, operators_table
from benchmarks.reports.published import published_table
from benchmarks.reports.results import boards_table, result_tables
from benchmarks.reports.sources import Source, plural
from benchmarks.reports.table import Row, Table
from edge_sr.records import Record


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
    summaries = [published_table(record), _choices(advice), _overall(advice), boards_table(record)]
    facts = [facts_table(record), operators_table(record), counts_table(record)]
    return Section(
        source,
        tuple(_warnings(record)),
        tuple(_sentences(advice)),
        tuple(table for table in summaries if table.rows),
        tuple(result_tables(record)),
        tuple(table for table in facts if table.rows),
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
    best = (label(choice.best), p50_text(choice.best))
    if choice.next is None or choice.ratio is None:
        return (*best, "", "no other was measured")
    speed_up = f"{choice.ratio.value:.2f}x ({choice.ratio.interval})"
    return (*best, _doubted(speed_up, choice.ratio), label(choice.next))


def _doubted(text: str, ratio: Ratio) -> str:
    return f"{text}, {ratio.doubt}" if ratio.doubt else text


def _overall(advice: Iterable[Advice]) -> Table:
    rows = []
    for item in advice:
        if item.duel is not None and item.duel.ratio is not None:
            bests = {it.best.case.network.precision: it.best for it in item.by_precision.values()}
            int8, float32 = bests["int8"], bests["float32"]
            value = item.duel.ratio.value
            speed_up = value if item.duel.best is int8 else 1 / value
            cells = (label(int8), p50_text(int8), label(float32), p50_text(float32))
            verdict = _doubted(f"{speed_up:.2f}x", item.duel.ratio)
            rows.append(Row((item.network, item.image, str(item.threads), *cells, verdict)))
    headings = ("network", "image", "max threads", "best int8", "ms", "best float32", "ms")
    return Table("int8 against float32", (*headings, "speed-up of int8"), tuple(rows))
