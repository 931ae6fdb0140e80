"""What a fresh process is told to run, and what it answers; both are pickled by this package."""

from dataclasses import dataclass
from pathlib import Path

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
from edge_sr.runtime.session import Interface


@dataclass(frozen=True)
class Job:
    """One case for one process.

    Attributes:
        artifact: the file to open.
        runtime: that opens it.
        delegate: of the runtime.
        threads: for the runtime.
        pinned: cores to be bound to; none if empty.
        part: decides which picture is made.
        interface: of the artifact; of keras's, scale and channels are what counts.
        height: of the image, pixels.
        width: of the image, pixels.
        sampling: None to run once, for a reference.
        end_to_end: whether to time pixels to pixels as well.
        output: where the output goes, .npy.
    """

    artifact: Path
    runtime: RuntimeName
    delegate: Delegate
    threads: int
    pinned: tuple[int, ...]
    part: Part
    interface: Interface
    height: int
    width: int
    sampling: Sampling | None
    end_to_end: bool
    output: Path


@dataclass(frozen=True)
class Answer:
    """What the process found.

    Attributes:
        error: one sentence, and all the rest is empty; None if it went well.
        repeats: whether the last run's output equals the first one's.
        own_ns: processor time of this process between `before` and `after`.
        wall_ns: time between them.
        kernels: the engine's set; None for other runtimes.
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
