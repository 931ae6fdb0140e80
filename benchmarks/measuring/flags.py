"""What keeps a result from being taken at its face value."""

from edge_sr.records import Conditions, Mark, Timing

MAX_OTHER_LOAD = 0.25
"""Cores that other processes may keep busy meanwhile."""

MAX_SPREAD = 0.1
"""Of the middle half of the samples, over their median."""

MAX_SLOWDOWN = 0.15
"""Of the fastest core's frequency, from the first sample to the last."""


def other_load(before: Conditions, after: Conditions, own_ns: int, wall_ns: int) -> float | None:
    """Cores that other processes kept busy between two moments; None where it is not known."""
    if before.busy_ns is None or after.busy_ns is None:
        return None
    return max(0.0, (after.busy_ns - before.busy_ns - own_ns) / wall_ns)


def find(
    timings: tuple[Timing, ...], before: Conditions, after: Conditions, others: float | None
) -> list[Mark]:
    """The marks that samples and conditions call for."""
    flags: list[Mark] = []
    spread = any(timing.spread > MAX_SPREAD for timing in timings)
    if spread or (others is not None and others > MAX_OTHER_LOAD):
        flags.append("noisy")
    if throttled(before, after):
        flags.append("throttled")
    if not all(timing.stable for timing in timings):
        flags.append("unstable")
    return flags


def throttled(before: Conditions, after: Conditions) -> bool:
    """Whether the device was held back: it says so, or its cores became slower."""
    said = any(flag.endswith("now") for flag in (*before.throttling, *after.throttling))
    since = set(after.throttling) - set(before.throttling)
    fastest = max(before.frequencies_mhz, default=0.0), max(after.frequencies_mhz, default=0.0)
    return said or bool(since) or fastest[1] < fastest[0] * (1 - MAX_SLOWDOWN)
