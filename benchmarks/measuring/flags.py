"""Flags results that may not be trusted: noisy, throttled or unstable ones."""

from edge_sr.records import Conditions, Flag, Timing

MAX_OTHER_LOAD = 0.25
"""Maximum number of cores that other processes keep busy during the samples."""

MAX_SPREAD = 0.1
"""Maximum interquartile range of the samples, as a share of their median."""

MAX_SLOWDOWN = 0.15
"""Maximum drop of the fastest core's frequency from the first sample to the last, as a share."""


def other_load(before: Conditions, after: Conditions, own_ns: int, wall_ns: int) -> float | None:
    """Return how many cores other processes kept busy between two moments; None if unknown."""
    if before.busy_ns is None or after.busy_ns is None:
        return None
    return max(0.0, (after.busy_ns - before.busy_ns - own_ns) / wall_ns)


def find(
    timings: tuple[Timing, ...], before: Conditions, after: Conditions, others: float | None
) -> list[Flag]:
    """Return the flags of a result, from its samples and conditions."""
    flags: list[Flag] = []
    spread = any(timing.spread > MAX_SPREAD for timing in timings)
    if spread or (others is not None and others > MAX_OTHER_LOAD):
        flags.append("noisy")
    if throttled(before, after):
        flags.append("throttled")
    if not all(timing.stable for timing in timings):
        flags.append("unstable")
    return flags


def throttled(before: Conditions, after: Conditions) -> bool:
    """Return whether the device was throttled: it says so, or its cores became slower."""
    reported = any(flag.endswith("now") for flag in (*before.throttling, *after.throttling))
    since = set(after.throttling) - set(before.throttling)
    fastest = max(before.frequencies_mhz, default=0.0), max(after.frequencies_mhz, default=0.0)
    return reported or bool(since) or fastest[1] < fastest[0] * (1 - MAX_SLOWDOWN)
