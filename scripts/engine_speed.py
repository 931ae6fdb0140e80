"""Time the engine beside LiteRT on one core and print the ratio; samples alternate.

python scripts/engine_speed.py [--model tinypssr] [--scale 2] [--side 256] [--samples 30]
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from edge_sr import zoo
from edge_sr.runtime.session import Session, open_session


def sample(sessions: dict[str, Session], side: int, count: int) -> dict[str, list[float]]:
    """Seconds of `count` runs of each session, one after the other in turns, after a warm-up."""
    rng = np.random.default_rng(0)
    image = rng.integers(-128, 128, (1, side, side, 1), dtype=np.int8)
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for turn in range(count + 3):
        for name, session in sessions.items():
            start = time.perf_counter()
            session.run(image)
            if turn >= 3:
                times[name].append(time.perf_counter() - start)
    return times


def line(name: str, seconds: list[float]) -> str:
    """Median, best and 90th percentile in milliseconds."""
    figures: list[Callable[[list[float]], float]] = [
        statistics.median,
        min,
        lambda values: statistics.quantiles(values, n=10)[8],
    ]
    p50, best, p90 = (figure(seconds) * 1e3 for figure in figures)
    return f"{name:8} median {p50:7.2f} ms, best {best:7.2f} ms, p90 {p90:7.2f} ms"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="tinypssr")
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--samples", type=int, default=30)
    options = parser.parse_args()
    path = zoo.find(options.model, options.scale).artifact("int8", ".tflite")
    sessions = {name: open_session(path, name, threads=1) for name in ("engine", "litert")}
    times = sample(sessions, options.side, options.samples)
    size = f"{options.side}x{options.side}"
    print(f"{options.model} x{options.scale} int8, {size}, one thread, {options.samples} samples")
    for name, seconds in times.items():
        print(line(name, seconds))
    ratio = statistics.median(times["engine"]) / statistics.median(times["litert"])
    print(f"engine / litert: {ratio:.2f} (below 1: the engine is faster)")


if __name__ == "__main__":
    main()
