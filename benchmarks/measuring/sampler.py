"""Times a function repeatedly: warm-up until its times are stable, then samples, all kept.

The loop around the function reads the clock twice and appends to a list. Garbage is collected
before the loop and not during it.
"""

import gc
import statistics
import time
from collections.abc import Callable

from edge_sr.records import Sampling, Scope, Timing

TOLERANCE = 0.02
"""Largest relative difference of the two medians that `is_stable` compares."""

PATIENCE = 4
"""Multiple of `warmup_s` after which warm-up ends even if the times are not stable."""

_MIN_WARMUP_RUNS = 6
_MAX_COMPARED = 50  # runs of which a median is taken


def measure(function: Callable[[], object], sampling: Sampling, scope: Scope, what: str) -> Timing:
    """Warm up and take samples.

    Args:
        function: to time.
        sampling: when to stop.
        scope: of the timing.
        what: a sentence that says what the time includes.
    """
    warm, stable = warm_up(function, sampling.warmup_s)
    return Timing(scope, what, tuple(warm), tuple(take(function, sampling)), stable)


def warm_up(function: Callable[[], object], seconds: float) -> tuple[list[int], bool]:
    """Run until the times are stable.

    Returns:
        nanoseconds of each run, and whether the times became stable.
    """
    clock = time.perf_counter_ns
    times: list[int] = []
    begin = clock()
    while True:
        start = clock()
        function()
        end = clock()
        times.append(end - start)
        spent = (end - begin) / 1e9
        if spent >= seconds and is_stable(times):
            return times, True
        if spent >= PATIENCE * seconds and len(times) >= _MIN_WARMUP_RUNS:
            return times, False


def is_stable(times: list[int]) -> bool:
    """Return whether the last runs have the median time of as many runs before them."""
    length = min(len(times) // 3, _MAX_COMPARED)
    if len(times) < _MIN_WARMUP_RUNS:
        return False
    last, before = (
        statistics.median(times[-length:]),
        statistics.median(times[-2 * length : -length]),
    )
    return abs(last - before) <= TOLERANCE * before


def take(function: Callable[[], object], sampling: Sampling) -> list[int]:
    """Return the nanoseconds of each run."""
    clock = time.perf_counter_ns
    least, most = sampling.samples, sampling.max_samples
    least_ns, most_ns = round(sampling.seconds * 1e9), round(sampling.max_seconds * 1e9)
    times: list[int] = []
    gc.collect()
    gc.disable()
    try:
        begin = clock()
        while True:
            start = clock()
            function()
            end = clock()
            times.append(end - start)
            spent, count = end - begin, len(times)
            if (count >= least and spent >= least_ns) or count >= most or spent >= most_ns:
                return times
    finally:
        gc.enable()
