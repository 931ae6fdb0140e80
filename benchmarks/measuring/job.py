"""The job of a fresh process and its answer; both are pickled by this package."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_sr.records import (
    Cold,
    Conditions,
    Delegate,
    Kernels,
    Memory,
    OperatorTime,
    Part,
    RuntimeName,
    Sampling,
    Timing,
)
from edge_sr.runtime.arrays import ArrayInterface
from edge_sr.runtime.session import Interface


@dataclass(frozen=True)
class Job:
    """One case for one process.

    Attributes:
        artifact: the file to open.
        runtime: that opens it.
        delegate: of the runtime.
        threads: for the runtime.
        pinned: cores to bind to; empty: all.
        part: decides which image is made.
        interface: of the artifact, at the job's size; Keras uses only its scale and channels.
        height: of the image, pixels.
        width: of the image, pixels.
        sampling: None to run once, for a reference.
        end_to_end: whether to time 8-bit pixels to 8-bit pixels as well.
        output: file to write the outputs to, .npz.
        resized: whether a network of any kind must be given the job's height and width.
    """

    artifact: Path
    runtime: RuntimeName
    delegate: Delegate
    threads: int
    pinned: tuple[int, ...]
    part: Part
    interface: Interface | ArrayInterface
    height: int
    width: int
    sampling: Sampling | None
    end_to_end: bool
    output: Path
    resized: bool = False


@dataclass(frozen=True)
class Answer:
    """What the process measured.

    Attributes:
        error: one sentence, with all else empty; None on success.
        repeats: whether the last run's output equals the first run's.
        own_ns: processor time of this process between `before` and `after`.
        wall_ns: time between them.
        kernels: of the engine; None for other runtimes.
    """

    error: str | None = None
    cold: Cold | None = None
    timings: tuple[Timing, ...] = ()
    operators: tuple[OperatorTime, ...] = ()
    memory: tuple[Memory, ...] = ()
    before: Conditions | None = None
    after: Conditions | None = None
    own_ns: int = 0
    wall_ns: int = 1
    repeats: bool = True
    kernels: Kernels | None = None


def save_outputs(path: Path, outputs: Sequence[np.ndarray]) -> None:
    """Write the outputs of a job."""
    np.savez(path, *outputs)


def load_outputs(path: Path) -> list[np.ndarray]:
    """Read the outputs of a job."""
    with np.load(path) as content:
        return [content[f"arr_{index}"] for index in range(len(content.files))]
