"""Measures the memory of a process and of a runtime; each figure says what it counts."""

import contextlib
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring.job import Job
from edge_sr import graph
from edge_sr.graph import read_bytes
from edge_sr.records import Memory
from edge_sr.runtime.session import Session

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


def runtime_memory(job: Job, session: Session) -> list[Memory]:
    """Return the figures of the runtime itself, after a run."""
    if job.runtime == "litert":
        return [_litert(session, job)]
    if job.runtime == "engine":
        return _engine(session, job)
    return [_tflm(job)] if job.runtime == "tflm" else []


def _litert(session: Session, job: Job) -> Memory:
    from edge_sr.runtime.litert import LiteRTSession

    assert isinstance(session, LiteRTSession)
    constants = {tensor.index for tensor in graph.read_graph(job.artifact).constants()}
    return Memory(
        "runtime arena",
        session.arena_bytes(constants),
        "LiteRT's activations and scratch, with input and output, shared memory counted once, "
        "without the memory that XNNPACK manages itself",
    )


def _engine(session: Session, job: Job) -> list[Memory]:
    from edge_sr.runtime.engine import EngineSession

    assert isinstance(session, EngineSession)
    width = job.width // (job.interface.scale if job.part == "decoder" else 1)
    return [
        Memory(
            "runtime arena",
            sum(session.arenas),
            f"the engine's arenas of all strips ({len(session.arenas)}, one per thread), without "
            "input and output",
        ),
        Memory(
            "engine ram",
            session.plan.arena_bytes(width),
            "the engine's arena on a microcontroller for frames of this width, without the frames",
        ),
        Memory(
            "flash",
            session.plan.flash_bytes,
            "upper bound of the engine's plan with weights, without the engine's code",
        ),
    ]


def _tflm(job: Job) -> Memory:
    from edge_sr.runtime.arena import arena_bytes, host_abi

    step = job.interface.scale if job.part == "decoder" else 1
    model = graph.resize(read_bytes(job.artifact), job.height // step, job.width // step)
    what = f"TFLM's arena as TFLM reports it, with input and output, {host_abi()}"
    return Memory("tflm arena", arena_bytes(model), what)
