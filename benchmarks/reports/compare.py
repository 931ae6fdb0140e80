"""Compares two records case by case: ratios of medians with confidence intervals."""

import collections
import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.reports.sources import plural
from edge_sr.errors import UserError
from edge_sr.records import Record, Result, Scope

LEVEL = 95
"""Confidence level of the intervals in per cent."""

MIN_SAMPLES = 10
"""Fewer samples get no interval."""

TOO_FEW = "too few samples"

REPEATS_WITHIN = 0.05
"""Share by which a case's median varies between processes on an idle machine."""

_RESAMPLES = 1000
_AT_ONCE = 10**6  # resampled values in memory at once
_DEVICE = ("name", "cpu", "architecture", "cores", "gpu", "emulated")
"""Fields that identify a device; the others are conditions."""


@dataclass(frozen=True)
class Ratio:
    """The ratio of two medians with its interval, which is 0 to infinity where it is unknown."""

    value: float
    low: float
    high: float

    @property
    def noise(self) -> bool:
        """Whether the medians may be equal."""
        return self.low <= 1 <= self.high

    @property
    def small(self) -> bool:
        """Whether the difference is within what varies between processes."""
        return self.low <= 1 + REPEATS_WITHIN and self.high >= 1 / (1 + REPEATS_WITHIN)

    @property
    def doubt(self) -> str:
        """Why the two may be equal; empty if they differ."""
        if not self.known:
            return TOO_FEW
        return "noise" if self.small else ""

    @property
    def known(self) -> bool:
        """Whether there were enough samples for an interval."""
        return not math.isinf(self.high)

    @property
    def interval(self) -> str:
        """The interval as text."""
        if not self.known:
            return f"fewer than {MIN_SAMPLES} samples"
        return f"{self.low:.3f} to {self.high:.3f}"


def ratio(above: Sequence[int], below: Sequence[int]) -> Ratio:
    """Return the ratio of the medians of two series of samples, each in order of time.

    The interval is the percentile interval of a moving-block bootstrap (Künsch 1989), with blocks
    of the cube root of the number of samples: successive samples are correlated, and a bootstrap
    of single samples would give too narrow an interval. It does not include the variation between
    processes: see `REPEATS_WITHIN`.
    """
    value = float(np.median(above) / np.median(below))
    if min(len(above), len(below)) < MIN_SAMPLES:
        return Ratio(value, 0.0, math.inf)
    generator = np.random.default_rng(0)
    ratios = _medians(above, generator) / _medians(below, generator)
    tail = (100 - LEVEL) / 2
    low, high = np.percentile(ratios, [tail, 100 - tail])
    return Ratio(value, float(low), float(high))


def _medians(samples: Sequence[int], generator: np.random.Generator) -> np.ndarray:
    """Return medians of resamples of blocks."""
    values = np.asarray(samples, np.float64)
    length = round(len(values) ** (1 / 3))
    blocks = np.lib.stride_tricks.sliding_window_view(values, length)
    size = len(values)
    drawn = generator.integers(0, len(blocks), (_RESAMPLES, math.ceil(size / length)))
    parts = np.array_split(drawn, math.ceil(_RESAMPLES * size / _AT_ONCE))
    return np.concatenate(
        [np.median(blocks[part].reshape(len(part), -1)[:, :size], axis=1) for part in parts]
    )


@dataclass(frozen=True)
class Pair:
    """A case of both records.

    Attributes:
        key: names the case.
        scope: of the timing; None for counted instructions or no measurement.
        a: the case in the first record.
        b: the case in the second record.
        ratio: the speed-up of B over A; None where one of them is missing or wrong.
    """

    key: str
    scope: Scope | None
    a: Result
    b: Result
    ratio: Ratio | None

    @property
    def verdict(self) -> str:
        """The result of the comparison in a few words."""
        named = (("A", self.a), ("B", self.b))
        for reason, values in (
            ("not measured", [name for name, it in named if it.status != "measured"]),
            ("wrong output", [name for name, it in named if "wrong" in it.marks]),
        ):
            if values:
                return f"{reason} in {' and '.join(values)}"
        if self.ratio is None:
            return "measured differently"
        return "; ".join([self._difference(self.ratio), *_doubts(named)])

    def _difference(self, change: Ratio) -> str:
        if self.scope is None:
            return "equal" if change.value == 1 else f"B {_direction(change)} (counted exactly)"
        if not change.known:
            return TOO_FEW
        if change.noise:
            return "noise"
        if change.small:
            return f"noise: processes vary by {REPEATS_WITHIN:.0%}"
        return f"B {_direction(change)}"


def _direction(change: Ratio) -> str:
    return "faster" if change.value > 1 else "slower"


def _doubts(named: Iterable[tuple[str, Result]]) -> list[str]:
    return [f"{name} {flag}" for name, result in named for flag in result.marks]


@dataclass(frozen=True)
class Comparison:
    """The comparison of two records.

    Attributes:
        pairs: in the order of the first record.
        barriers: differences of device or files, a sentence each.
        notes: other differences, a sentence each.
    """

    pairs: tuple[Pair, ...]
    barriers: tuple[str, ...]
    notes: tuple[str, ...]


def compare(a: Record, b: Record) -> Comparison:
    """Compare the cases that two records share.

    Raises:
        UserError: they share no case, or one holds a case twice.
    """
    first, second = _by_key(a, "A"), _by_key(b, "B")
    shared = [key for key in first if key in second]
    if not shared:
        raise UserError("the two records have no case in common; compare runs of the same cases")
    pairs = [pair for key in shared for pair in _pairs(key, first[key], second[key])]
    barriers = _fields("device", a.device, b.device, _DEVICE)
    barriers += [
        f"the file of {key} is {_file(first[key])} in A and {_file(second[key])} in B"
        for key in shared
        if _file(first[key]) != _file(second[key]) and _both_measured(first[key], second[key])
    ]
    return Comparison(tuple(pairs), tuple(barriers), tuple(_notes(a, b, first, second)))


def _by_key(record: Record, name: str) -> dict[str, Result]:
    by_key = {result.case.key: result for result in record.results}
    if len(by_key) < len(record.results):
        raise UserError(f"record {name} holds a case twice; compare records of single runs")
    return by_key


def _pairs(key: str, a: Result, b: Result) -> list[Pair]:
    """Return a pair for each scope that both measured, or one pair without a ratio."""
    usable = _both_measured(a, b) and "wrong" not in (*a.marks, *b.marks)
    if a.instructions and b.instructions and min(a.instructions.frame, b.instructions.frame) > 0:
        value = a.instructions.frame / b.instructions.frame
        return [Pair(key, None, a, b, Ratio(value, value, value) if usable else None)]
    scopes = [timing.scope for timing in a.timings if b.timing(timing.scope)]
    if not usable or not scopes:
        return [Pair(key, None, a, b, None)]
    pairs = []
    for scope in scopes:
        one, two = a.timing(scope), b.timing(scope)
        assert one is not None
        assert two is not None
        pairs.append(Pair(key, scope, a, b, ratio(one.samples_ns, two.samples_ns)))
    return pairs


def _both_measured(a: Result, b: Result) -> bool:
    return a.status == b.status == "measured"


def _file(result: Result) -> str:
    artifact = result.case.network.artifact
    return "unknown" if artifact is None else f"{artifact.sha256[:12]} ({artifact.bytes} bytes)"


def _fields(what: str, a: object, b: object, names: Iterable[str]) -> list[str]:
    return [
        f"the {what}'s {name.replace('_', ' ')} is {left!r} in A and {right!r} in B"
        for name in names
        if (left := getattr(a, name)) != (right := getattr(b, name))
    ]


def _kernels(first: dict[str, Result], second: dict[str, Result]) -> Iterable[str]:
    """Yield a sentence for each difference of the engine's kernels."""
    counts = collections.Counter(
        (first[key].kernels, second[key].kernels)
        for key in first
        if key in second and _both_measured(first[key], second[key])
    )
    for (one, two), count in counts.items():
        if one != two:
            names = f"{one or 'unknown'} in A and {two or 'unknown'} in B"
            yield f"the engine's kernels of {plural(count, 'case')} are {names}"


def _notes(
    a: Record, b: Record, first: dict[str, Result], second: dict[str, Result]
) -> Iterable[str]:
    for what, one, two, skipped in (
        ("device", a.device, b.device, _DEVICE),
        ("software", a.software, b.software, ()),
        ("sampling", a.sampling, b.sampling, ()),
    ):
        names = [field.name for field in dataclasses.fields(one) if field.name not in skipped]
        yield from _fields(what, one, two, names)
    yield from _kernels(first, second)
    for name, record in (("A", a), ("B", b)):
        if not record.complete:
            yield f"{name} is partial: {len(record.results)} of {plural(record.planned, 'case')}"
    for name, keys in (("A", first.keys() - second), ("B", second.keys() - first)):
        if keys:
            yield f"only {name} has {'; '.join(sorted(keys))}"
