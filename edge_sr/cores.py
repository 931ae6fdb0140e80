"""The processor cores that this process may use."""

import os


def cores() -> tuple[int, ...]:
    """The numbers of the cores, sorted; at least one."""
    affinity = getattr(os, "sched_getaffinity", None)
    return tuple(sorted(affinity(0))) if affinity else tuple(range(os.cpu_count() or 1))
