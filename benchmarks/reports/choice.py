"""Which runtime to choose on a device: the fastest whose output is right."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.reports.compare import TOO_FEW, Ratio, ratio
from benchmarks.reports.sources import is_right, network_name, size, where
from edge_sr.records import Precision, Record, Result, Timing


@dataclass(frozen=True)
class Choice:
    """Of two ways to run a network, the faster one.

    Attributes:
        best: the fastest.
        next: the fastest of the others; None where there is none.
        ratio: how many times as fast as the next the best is; None where there is no next.
    """

    best: Result
    next: Result | None
    ratio: Ratio | None

    @property
    def clear(self) -> bool:
        """Whether the best is so by more than noise."""
        return self.ratio is None or not self.ratio.small

    @property
    def sentence(self) -> str:
        """For people."""
        best = f"choose {way(self.best)}: {run_timing(self.best).p50:.3g} ms"
        if self.next is None or self.ratio is None:
            return f"{best}, the only one measured"
        if not self.ratio.known:
            return f"{best}; {TOO_FEW} whether {way(self.next)} is slower"
        if not self.clear:
            return f"{best}; {way(self.next)} is as fast within the noise"
        return f"{best}, {self.ratio.value:.2f} times as fast as {way(self.next)}"


@dataclass(frozen=True)
class Advice:
    """What to choose for a network on an image.

    Attributes:
        network: its name and part.
        image: its size.
        threads: at most.
        best: of everything, whatever its precision.
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
    """For each network, image and number of threads, from what is right in a record.

    Times of emulated boards are none, and have no part in it.
    """
    right = [it for it in record.results if is_right(it) and it.timing("run")]
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in right:
        groups.setdefault((network_name(result.case), size(result.case)), []).append(result)
    return [
        _advise(network, image, threads, results)
        for (network, image), results in groups.items()
        for threads in sorted({result.case.threads for result in results})
    ]


def _advise(network: str, image: str, threads: int, results: Iterable[Result]) -> Advice:
    within = [result for result in results if result.case.threads <= threads]
    precisions: tuple[Precision, ...] = ("int8", "float32")
    ways = {
        precision: fastest_each([it for it in within if it.case.network.precision == precision])
        for precision in precisions
    }
    choices = {precision: choose(found) for precision, found in ways.items() if found}
    bests = [choice.best for choice in choices.values()]
    duel = choose(bests) if len(bests) == 2 else None
    best = choose([*ways["int8"], *ways["float32"]])
    return Advice(network, image, threads, best, choices, duel)


def fastest_each(results: Iterable[Result]) -> list[Result]:
    """Of each runtime its fastest result, whatever number of threads that takes."""
    ordered = sorted(results, key=lambda result: result.case.runtime_name)
    return [
        min(group, key=lambda result: run_timing(result).p50)
        for _, group in itertools.groupby(ordered, lambda result: result.case.runtime_name)
    ]


def choose(results: Sequence[Result]) -> Choice:
    """The fastest against the next."""
    best, *others = sorted(results, key=lambda result: run_timing(result).p50)
    if not others:
        return Choice(best, None, None)
    found = ratio(run_timing(others[0]).samples_ns, run_timing(best).samples_ns)
    return Choice(best, others[0], found)


def run_timing(result: Result) -> Timing:
    """From array to array; the caller knows that it was measured."""
    timing = result.timing("run")
    assert timing is not None
    return timing


def way(result: Result) -> str:
    """How to run it: "engine int8, 2 threads", with what makes its time doubtful."""
    case = result.case
    doubts = f" [{', '.join(result.marks)}]" if result.marks else ""
    return f"{case.runtime_name} {case.network.precision}, {where(case)}{doubts}"
