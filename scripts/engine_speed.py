"""Time the engine's sets of kernels beside LiteRT on one core; samples alternate.

python scripts/engine_speed.py [--network tinypssr-x2] [--side 256] [--samples 30]

The network is tinypssr-x2, tinypssr-x4, or a codec's part such as tinycompress-4/encoder, beside
which its float32 twin runs in LiteRT, too. Times are the processor's, which other programs on the
same machine change less than the clock's.
"""

import argparse
import os
import statistics
import time
from pathlib import Path

import numpy as np

from edge_sr.engine import binding
from edge_sr.runtime.engine import EngineSession
from edge_sr.runtime.opening import open_part, open_session
from edge_sr.runtime.session import Session
from edge_sr.zoo import catalog

WARM = 3


def enlarging(network: str) -> dict[str, Path]:
    """Return the files of an upscaler such as tinypssr-x2 by precision."""
    return {"int8": catalog.find(network).file("int8")}


def coding(network: str) -> dict[str, Path]:
    """Return the files of a codec's part such as tinycompress-4/encoder by precision."""
    name, _, part = network.partition("/")
    codec = catalog.find(name)
    return {kind: codec.file(kind, part=part) for kind in ("int8", "float32")}


def sessions_of(network: str) -> dict[str, Session]:
    """One of the engine per set of kernels that this machine has, and one of LiteRT."""
    is_part = "/" in network
    paths = coding(network) if is_part else enlarging(network)
    found: dict[str, Session] = {}
    for kernels in binding.KERNELS:
        session = (
            open_part(paths["int8"].read_bytes(), runtime="engine")
            if is_part
            else open_session(paths["int8"], "engine")
        )
        if has(session, kernels):
            found[f"engine {kernels}"] = session
    if is_part:
        found["litert float32"] = open_part(paths["float32"].read_bytes())
    else:
        found["litert int8"] = open_session(paths["int8"], "litert")
    return found


def has(session: Session, kernels: str) -> bool:
    """Whether these are the kernels that run when they are asked for."""
    assert isinstance(session, EngineSession)
    os.environ[binding.LIMIT] = kernels
    return binding.Engine(session.plan.blob, session.plan.pixels_per_unit).kernels == kernels


def sample(sessions: dict[str, Session], side: int, count: int) -> dict[str, list[float]]:
    """Seconds of `count` runs of each session, one after the other in turns, after a warm-up."""
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for turn in range(count + WARM):
        for name, session in sessions.items():
            runtime, _, kernels = name.partition(" ")
            if runtime == "engine":  # which opens its plan when it first runs
                os.environ[binding.LIMIT] = kernels
            image = noise(side, session)
            start = time.process_time()
            session.run(image)
            if turn >= WARM:
                times[name].append(time.process_time() - start)
    return times


def noise(side: int, session: Session) -> np.ndarray:
    """An image of the session's type."""
    rng = np.random.default_rng(0)
    shape = (1, side, side, session.channels)
    if session.input.dtype == "int8":
        return rng.integers(-128, 128, shape, dtype=np.int8)
    return rng.random(shape, dtype=np.float32)


def line(name: str, seconds: list[float]) -> str:
    """Median and best in milliseconds."""
    median, best = statistics.median(seconds) * 1e3, min(seconds) * 1e3
    return f"{name:16} median {median:7.2f} ms, best {best:7.2f} ms"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="tinypssr-x2")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--samples", type=int, default=30)
    options = parser.parse_args()
    times = sample(sessions_of(options.network), options.side, options.samples)
    size = f"{options.side}x{options.side}"
    print(f"{options.network}, {size}, one thread, processor's time, {options.samples} samples")
    for name, seconds in times.items():
        print(line(name, seconds))


if __name__ == "__main__":
    main()
