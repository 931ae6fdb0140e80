"""Judges whether a paper's claims about the order of runs hold here, and by what margin."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.reproduce.results import Result
from benchmarks.reproduce.study import BICUBIC, Claim, Study

_UNITS = {"psnr": " dB", "ssim": "", "wobble": " dB"}


@dataclass(frozen=True)
class Spread:
    """The mean of a figure over seeds; one seed has no deviation."""

    mean: float
    deviation: float | None
    seeds: int


def spread(values: Sequence[float]) -> Spread:
    """Return mean and standard deviation of at least one value."""
    deviation = statistics.stdev(values) if len(values) > 1 and _finite(values) else None
    return Spread(statistics.fmean(values), deviation, len(values))


def _finite(values: Iterable[float]) -> bool:
    return all(map(math.isfinite, values))


def judge(study: Study, results: Sequence[Result], figures: Sequence[str]) -> list[str]:
    """Return a sentence for each of the study's claims about these figures."""
    by_run: dict[str, list[Result]] = {}
    for result in results:
        by_run.setdefault(result.run, []).append(result)
    return [_sentence(study, claim, by_run) for claim in study.claim if claim.figure in figures]


def _pairs(study: Study, claim: Claim) -> list[tuple[str, str]]:
    others = [run.name for run in study.run if run.name not in claim.best]
    return [(pair[0], pair[1]) for pair in claim.pairs] or [
        (best, other) for best in claim.best for other in others
    ]


def _sentence(study: Study, claim: Claim, by_run: Mapping[str, list[Result]]) -> str:
    pairs = _pairs(study, claim)
    involved = list(dict.fromkeys(name for pair in pairs for name in pair))
    values = _values(claim, {name: by_run.get(name, []) for name in involved})
    lacking = [name for name in involved if not values[name]]
    if lacking:
        return f"Not judged yet: {claim.about} (no results of {', '.join(lacking)})."
    spreads = {name: spread(seeds) for name, seeds in values.items()}
    upper, lower = min(pairs, key=lambda p: spreads[p[0]].mean - spreads[p[1]].mean)
    margin = spreads[upper].mean - spreads[lower].mean
    exact = [run.name for run in study.run if run.model == BICUBIC]  # which has no seeds
    trained = [spreads[name] for name in (upper, lower) if name not in exact]
    return _verdict(claim, upper, lower, margin, trained)


def _verdict(claim: Claim, upper: str, lower: str, margin: float, spreads: Sequence[Spread]) -> str:
    noise = _noise(spreads)
    unit = _UNITS[claim.figure]
    seeds = min((each.seeds for each in spreads), default=1)
    verdict = "Holds" if margin > 0 else "Does not hold here"  # also if both diverged
    if seeds == 1:
        verdict += " with one seed"
    elif noise is not None and abs(margin) <= noise:
        verdict = "Undecided"
    deviation = (
        "" if noise is None else f" (standard deviation over {seeds} seeds: {noise:.4f}{unit})"
    )
    return f"{verdict}: {claim.about}; {upper} minus {lower}: {margin:+.4f}{unit}{deviation}."


def _noise(spreads: Sequence[Spread]) -> float | None:
    """Return the pooled standard deviation over seeds, or None if it is unknown."""
    known = [each.deviation for each in spreads if each.deviation is not None]
    if not known or len(known) < len(spreads):
        return None
    return math.sqrt(statistics.fmean(value**2 for value in known))


def _values(claim: Claim, by_run: Mapping[str, list[Result]]) -> dict[str, list[float]]:
    """Return a value for each run and seed: the mean over the claim's columns that all have."""
    if claim.figure == "wobble":
        return {
            name: [value for result in results if (value := wobble(result)) is not None]
            for name, results in by_run.items()
        }
    scored = {name: [r for r in results if r.scores] for name, results in by_run.items()}
    sets = [{s.column for s in result.scores} for results in scored.values() for result in results]
    common = set.intersection(*sets) if sets else set()
    common &= set(claim.columns) or common
    return {
        name: [_mean(result, claim.figure, common) for result in results] if common else []
        for name, results in scored.items()
    }


def _mean(result: Result, figure: str, columns: set[str]) -> float:
    values = [getattr(score, figure) for score in result.scores if score.column in columns]
    return statistics.fmean(math.inf if value is None else value for value in values)


def wobble(result: Result) -> float | None:
    """Return how unstable training is: the mean absolute difference of the validation PSNR between
    epochs in the second half of training, in dB; infinite for a run that diverged.
    """
    if result.diverged:
        return math.inf
    later = [point.psnr for point in result.curve[len(result.curve) // 2 :]]
    steps = [abs(b - a) for a, b in pairwise(later)]
    return statistics.fmean(steps) if steps else None
