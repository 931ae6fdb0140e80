"""Measure what `edge-sr bench` adds to a workload of a known time.

    python scripts/harness_overhead.py [--milliseconds 1] [--samples 500]

The workload loops until the clock has advanced by that time, on any machine. It is timed directly,
and by the harness through a session, in turns.
"""

import argparse
import statistics
import time

import numpy as np

from benchmarks.measuring.sampler import take
from edge_sr.records import Sampling
from edge_sr.runtime.session import Interface, Session, TensorSpec

_TURNS = 5


class Spin(Session):
    """A session that takes a known time."""

    runtime = "engine"

    def __init__(self, nanoseconds: int) -> None:
        int8 = TensorSpec("int8", 1 / 255, -128)
        super().__init__(Interface(2, 0, int8, int8))
        self._nanoseconds = nanoseconds
        self._out = np.zeros((1, 64, 64, 1), np.int8)

    def _run(self, image: np.ndarray) -> np.ndarray:
        self.work()
        return self._out

    def work(self) -> None:
        """Wait."""
        end = time.perf_counter_ns() + self._nanoseconds
        while time.perf_counter_ns() < end:
            pass


def directly(session: Spin, count: int) -> list[int]:
    """Return nanoseconds of the bare workload."""
    times = []
    for _ in range(count):
        start = time.perf_counter_ns()
        session.work()
        times.append(time.perf_counter_ns() - start)
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--milliseconds", type=float, default=1.0)
    parser.add_argument("--samples", type=int, default=500)
    options = parser.parse_args()
    session = Spin(round(options.milliseconds * 1e6))
    image = np.zeros((1, 32, 32, 1), np.int8)
    share = max(1, options.samples // _TURNS)
    sampling = Sampling(0.1, share, 0.001, share, 600.0)
    bare: list[int] = []
    harness: list[int] = []
    for _ in range(_TURNS):
        bare += directly(session, share)
        harness += take(lambda: session.run(image), sampling)
    medians = statistics.median(bare) / 1e6, statistics.median(harness) / 1e6
    print(f"workload {options.milliseconds:.4f} ms, {len(bare)} samples each")
    print(f"directly   median {medians[0]:.4f} ms")
    print(f"harness    median {medians[1]:.4f} ms, including the session's checks")
    print(f"overhead   {medians[1] / medians[0] - 1:.2%}")


if __name__ == "__main__":
    main()
