"""Times a function again and again: warm-up until it takes alike, then samples, all of them kept.

The loop around the function is two readings of the clock and an append; garbage is collected
before it and not during it.
"""

import gc
import statistics
import time
from collections.abc import Callable

from edge_sr.records import Sampling, Scope, Timing

TOLERANCE = 0.02
"""How much the medians of two stretches of warm-up may differ."""

PATIENCE = 4
"""Times `warmup_s` after which warm-up ends even if runs do not take alike."""

_LEAST_WARMUP = 6
_MOST_ALIKE = 50  # runs in each of the stretches that are compared


def measure(function: Callable[[], object], sampling: Sampling, scope: Scope, what: str) -> Timing:
    """Warm up and take samples.

    Args:
        function: to be timed.
        sampling: when to stop.
        scope: of the timing.
        what: a sentence that says what is inside.
    """
    warm, stable = warm_up(function, sampling.warmup_s)
    return Timing(scope, what, tuple(warm), tuple(take(function, sampling)), stable)


def warm_up(function: Callable[[], object], seconds: float) -> tuple[list[int], bool]:
    """Run until runs take alike.

    Returns:
        nanoseconds of each run, and whether they did in the end.
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
        if spent >= seconds and alike(times):
            return times, True
        if spent >= PATIENCE * seconds and len(times) >= _LEAST_WARMUP:
            return times, False


def alike(times: list[int]) -> bool:
    """Whether the last stretch of runs takes as long as the one before it."""
    length = min(len(times) // 3, _MOST_ALIKE)
    if len(times) < _LEAST_WARMUP:
        return False
    last, before = (
        statistics.median(times[-length:]),
        statistics.median(times[-2 * length : -length]),
    )
    return abs(last - before) <= TOLERANCE * before


def take(function: Callable[[], object], sampling: Sampling) -> list[int]:
    """Nanoseconds of each run."""
    clock = time.perf_counter_ns
    least, most = sampling.samples, sampling.max_samples
    enough, over = round(sampling.seconds * 1e9), round(sampling.max_seconds * 1e9)
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
            if (count >= least and spent >= enough) or count >= most or spent >= over:
                return times
    finally:
        gc.enable()
