"""Recommends a runtime for a device: the fastest one with a right output."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.reports.compare import TOO_FEW, Ratio, ratio
from benchmarks.reports.sources import is_right, network_name, size, where
from benchmarks.reports.table import milliseconds
from edge_sr.records import Precision, Record, Result, Scope, Timing

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Choice:
    """The fastest way to run a network.

    Attributes:
        best: the fastest result.
        next: the fastest of the others; or None.
        ratio: the speed-up of the best over the next; or None.
    """

    best: Result
    next: Result | None
    ratio: Ratio | None

    @property
    def clear(self) -> bool:
        """Whether the best is faster by more than noise."""
        return self.ratio is None or not self.ratio.small

    @property
    def sentence(self) -> str:
        """The recommendation as a sentence."""
        best = f"use {label(self.best)}: {run_timing(self.best).p50:.3g} ms"
        if self.next is None or self.ratio is None:
            return f"{best}, the only one measured"
        if not self.ratio.known:
            return f"{best}; {TOO_FEW} to compare it with {label(self.next)}"
        if not self.clear:
            return f"{best}; {label(self.next)} is equally fast within the noise"
        return f"{best}, speed-up {self.ratio.value:.2f}x over {label(self.next)}"


@dataclass(frozen=True)
class Advice:
    """The recommendation for a network and an image size.

    Attributes:
        network: its name and part.
        image: its size.
        threads: maximum number.
        best: of all precisions.
        by_precision: the best runtime and the next of each precision.
        duel: the best of int8 and the best of float32; None where one has none.
    """

    network: str
    image: str
    threads: int
    best: Choice
    by_precision: dict[Precision, Choice]
    duel: Choice | None


def advise(record: Record) -> list[Advice]:
    """Return the recommendations of a record, from the results whose output is correct.

    Emulated boards have no times and take no part.
    """
    correct = [it for it in record.results if is_right(it) and it.timing("run")]
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in correct:
        groups.setdefault((network_name(result.case), size(result.case)), []).append(result)
    return [
        _advise(network, image, threads, results)
        for (network, image), results in groups.items()
        for threads in sorted({result.case.threads for result in results})
    ]


def _advise(network: str, image: str, threads: int, results: Iterable[Result]) -> Advice:
    within = [result for result in results if result.case.threads <= threads]
    precisions: tuple[Precision, ...] = ("int8", "float32")
    candidates = {
        precision: fastest_each([it for it in within if it.case.network.precision == precision])
        for precision in precisions
    }
    choices = {precision: choose(results) for precision, results in candidates.items() if results}
    bests = [choice.best for choice in choices.values()]
    duel = choose(bests) if len(bests) == 2 else None
    best = choose([*candidates["int8"], *candidates["float32"]])
    return Advice(network, image, threads, best, choices, duel)


def fastest_each(results: Iterable[Result]) -> list[Result]:
    """Return the fastest result of each runtime, with any number of threads."""
    ordered = sorted(results, key=lambda result: result.case.runtime_name)
    return [
        min(group, key=lambda result: run_timing(result).p50)
        for _, group in itertools.groupby(ordered, lambda result: result.case.runtime_name)
    ]


def choose(results: Sequence[Result]) -> Choice:
    """Compare the fastest result with the next."""
    best, *others = sorted(results, key=lambda result: run_timing(result).p50)
    if not others:
        return Choice(best, None, None)
    speed_up = ratio(run_timing(others[0]).samples_ns, run_timing(best).samples_ns)
    return Choice(best, others[0], speed_up)


def run_timing(result: Result) -> Timing:
    """Return the timing from array to array of a measured result."""
    timing = result.timing("run")
    assert timing is not None
    return timing


def label(result: Result) -> str:
    """Return how it ran, with its flags: "engine int8, 2 threads [noisy]"."""
    case = result.case
    flags = f" [{', '.join(result.marks)}]" if result.marks else ""
    return f"{case.runtime_name} {case.network.precision}, {where(case)}{flags}"


def p50_text(result: Result, scope: Scope = "run") -> str:
    """Return the median of a scope in milliseconds as text."""
    timing = result.timing(scope)
    return NOT_MEASURED if timing is None else milliseconds(timing.p50)
