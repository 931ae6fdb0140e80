"""Measure the speed of each set of the engine's kernels, and of LiteRT, on one core.

python scripts/engine_speed.py [--network tinypssr-x2] [--side 256] [--samples 30]

The network is an upscaler, such as tinypssr-x2, or a part of a codec, such as
tinycompress-4/encoder. For a part of a codec, LiteRT runs the float32 version. The samples of all
runtimes alternate. The script measures CPU time, which depends less on other programs than wall
time does.
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

WARM_UP = 3


def upscaler(network: str) -> dict[str, Path]:
    """Return the files of an upscaler such as tinypssr-x2 by precision."""
    return {"int8": catalog.find(network).file("int8")}


def codec_part(network: str) -> dict[str, Path]:
    """Return the files of a codec's part such as tinycompress-4/encoder by precision."""
    name, _, part = network.partition("/")
    codec = catalog.find(name)
    return {kind: codec.file(kind, part=part) for kind in ("int8", "float32")}


def sessions_of(network: str) -> dict[str, Session]:
    """A session of the engine for each set of kernels that this machine has, and one of LiteRT."""
    is_part = "/" in network
    paths = codec_part(network) if is_part else upscaler(network)
    sessions: dict[str, Session] = {}
    for kernels in binding.KERNELS:
        session = (
            open_part(paths["int8"].read_bytes(), runtime="engine")
            if is_part
            else open_session(paths["int8"], "engine")
        )
        if can_run(session, kernels):
            sessions[f"engine {kernels}"] = session
    if is_part:
        sessions["litert float32"] = open_part(paths["float32"].read_bytes())
    else:
        sessions["litert int8"] = open_session(paths["int8"], "litert")
    return sessions


def can_run(session: Session, kernels: str) -> bool:
    """Whether this machine can run these kernels."""
    assert isinstance(session, EngineSession)
    os.environ[binding.LIMIT] = kernels
    return binding.Engine(session.plan.blob, session.plan.pixels_per_unit).kernels == kernels


def sample(sessions: dict[str, Session], side: int, count: int) -> dict[str, list[float]]:
    """The CPU seconds of `count` runs of each session, after a warm-up; sessions alternate."""
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for turn in range(count + WARM_UP):
        for name, session in sessions.items():
            runtime, _, kernels = name.partition(" ")
            if runtime == "engine":  # it opens its plan at its first run
                os.environ[binding.LIMIT] = kernels
            image = noise(side, session)
            start = time.process_time()
            session.run(image)
            if turn >= WARM_UP:
                times[name].append(time.process_time() - start)
    return times


def noise(side: int, session: Session) -> np.ndarray:
    """A random image of the session's input type."""
    rng = np.random.default_rng(0)
    shape = (1, side, side, session.channels)
    if session.input.dtype == "int8":
        return rng.integers(-128, 128, shape, dtype=np.int8)
    return rng.random(shape, dtype=np.float32)


def line(name: str, seconds: list[float]) -> str:
    """Median and minimum in milliseconds, as a line to print."""
    median, least = statistics.median(seconds) * 1e3, min(seconds) * 1e3
    return f"{name:16} median {median:7.2f} ms, minimum {least:7.2f} ms"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="tinypssr-x2")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--samples", type=int, default=30)
    options = parser.parse_args()
    times = sample(sessions_of(options.network), options.side, options.samples)
    size = f"{options.side}x{options.side}"
    print(f"{options.network}, {size}, one thread, CPU time, {options.samples} samples")
    for name, seconds in times.items():
        print(line(name, seconds))


if __name__ == "__main__":
    main()
