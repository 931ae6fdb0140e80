"""Measures the memory of a process and of a runtime; each figure says what it counts."""

import contextlib
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring.job import Job
from benchmarks.measuring.native import sized_model
from edge_sr import graph
from edge_sr.records import Memory
from edge_sr.runtime.arrays import Arrays
from edge_sr.runtime.session import Interface, Session

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Baseline:
    """The memory of this process before the runtime is imported.

    Attributes:
        bytes: resident memory of Python, NumPy, the input and the harness.
    """

    bytes: int

    @classmethod
    def now(cls) -> "Baseline":
        """Read the resident memory, and reset the kernel's peak where that is possible."""
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
        return cls(_status("VmRSS") or _peak())

    def peak(self) -> Memory:
        """Return the peak of resident memory since `now` was called, minus the baseline."""
        most = _status("VmHWM") or _peak()
        return Memory(
            "peak rss",
            max(0, most - self.bytes),
            "peak resident memory of the process from importing the runtime to the last sample, "
            f"minus the {self.bytes} bytes of Python, NumPy, the input and the harness before it",
        )


def _status(field: str) -> int | None:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    values = [line.split()[1] for line in lines if line.startswith(f"{field}:")]
    return int(values[0]) * 1024 if values else None


def _peak() -> int:
    """Return the peak since the process began, without /proc; macOS counts bytes, not KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def runtime_memory(job: Job, opened: Session | Arrays) -> list[Memory]:
    """Return the figures of the runtime itself, after a run."""
    if job.runtime == "litert":
        return [_litert(opened, job)]
    if job.runtime == "engine":
        return _engine(opened, job)
    return [_tflm(job)] if job.runtime == "tflm" else []


def _litert(opened: Session | Arrays, job: Job) -> Memory:
    from edge_sr.runtime.litert import LiteRTArrays, LiteRTSession

    arrays = opened.arrays if isinstance(opened, LiteRTSession) else opened
    assert isinstance(arrays, LiteRTArrays)
    constants = {tensor.index for tensor in graph.read_graph(job.artifact).constants()}
    return Memory(
        "runtime arena",
        arrays.arena_bytes(constants),
        "LiteRT's activations and scratch, with input and output, shared memory counted once, "
        "without the memory that XNNPACK manages itself",
    )


def _engine(opened: Session | Arrays, job: Job) -> list[Memory]:
    from edge_sr.runtime.engine import EngineArrays, EngineSession
    from edge_sr.runtime.frame import FrameSession, ImageFrameSession

    if isinstance(opened, EngineSession):
        used, arenas, flash = sum(opened.arenas), len(opened.arenas), opened.plan.flash_bytes
        ram = opened.plan.arena_bytes(_input_sides(job)[1])
    else:
        frame = opened.frame if isinstance(opened, ImageFrameSession) else opened
        assert isinstance(frame, EngineArrays | FrameSession)
        used = ram = frame.arena_bytes
        arenas, flash = 1, frame.plan.flash_bytes
    return [
        Memory(
            "runtime arena",
            used,
            f"the engine's arenas of all strips ({arenas}, one per thread), without input and "
            "output",
        ),
        Memory(
            "engine ram",
            ram,
            "the engine's arena on a microcontroller for frames of this width, without the frames",
        ),
        Memory(
            "flash",
            flash,
            "upper bound of the engine's plan with weights, without the engine's code",
        ),
    ]


def _tflm(job: Job) -> Memory:
    from edge_sr.runtime.arena import arena_bytes, host_abi

    model = sized_model(job)
    if isinstance(job.interface, Interface) and job.interface.fixed_size is None:
        model = graph.resize(model, *_input_sides(job))
    what = f"TFLM's arena as TFLM reports it, with input and output, {host_abi()}"
    return Memory("tflm arena", arena_bytes(model), what)


def _input_sides(job: Job) -> tuple[int, int]:
    """Return height and width of the input for an image of the job's size."""
    assert isinstance(job.interface, Interface)
    step = job.interface.scale if job.part == "decoder" else 1
    return job.height // step, job.width // step
