"""Compare the engine's speed with LiteRT's (XNNPACK) on networks of one input size, on one thread.

python scripts/frame_speed.py MODEL.tflite ... [--samples 50]

Each set of kernels that this machine has and LiteRT run in one process, in turn, on the same random
input. The script measures CPU time, which depends less on other programs than wall time does. The
ratio is that of the medians: below 1, the engine is faster than LiteRT.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge_sr.engine import binding
from edge_sr.runtime.frame import FrameSession
from edge_sr.runtime.litert import LiteRTArrays

REPEATS = 10
"""Runs of a sample, so that caches are as warm as in a loop."""

WARM_UP = 3
LITERT = "litert xnnpack"


def runners_of(model: bytes) -> dict[str, Callable[[], object]]:
    """What runs the network once in each runtime, on the same noise."""
    litert, runners = LiteRTArrays(model), {}
    noise = None
    for kernels in binding.KERNELS:
        os.environ[binding.LIMIT] = kernels
        session = FrameSession(model)
        if session.kernels != kernels:
            continue  # this machine lacks them
        noise = np.random.default_rng(0).integers(-128, 128, session.in_shape, dtype=np.int8)
        runners[f"engine {kernels}"] = _bind(session.run, noise)
    assert noise is not None  # every machine has the portable kernels
    return runners | {LITERT: _bind(litert.run, [noise])}


def _bind(run: Callable[..., object], values: object) -> Callable[[], object]:
    return lambda: run(values)


def sample(runners: dict[str, Callable[[], object]], count: int) -> dict[str, list[float]]:
    """`count` samples of the CPU seconds of a run in each runtime; runtimes alternate."""
    times: dict[str, list[float]] = {name: [] for name in runners}
    for turn in range(count + WARM_UP):
        for name, run in runners.items():
            start = time.process_time()
            for _ in range(REPEATS):
                run()
            if turn >= WARM_UP:
                times[name].append((time.process_time() - start) / REPEATS)
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--samples", type=int, default=50)
    options = parser.parse_args()
    for path in options.models:
        times = sample(runners_of(path.read_bytes()), options.samples)
        medians = {name: statistics.median(seconds) for name, seconds in times.items()}
        print(f"{path.stem}, one thread, CPU time, {options.samples} samples of {REPEATS} runs")
        for name, median in medians.items():
            least, ratio = min(times[name]) * 1e3, median / medians[LITERT]
            print(
                f"{name:16} median {median * 1e3:6.3f} ms, minimum {least:6.3f} ms, "
                f"ratio {ratio:.2f}"
            )


if __name__ == "__main__":
    main()
