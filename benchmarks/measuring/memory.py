"""What a process and a runtime take of memory, each figure with what it counts."""

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
        bytes: resident now; Python, NumPy, the input and the harness.
    """

    bytes: int

    @classmethod
    def now(cls) -> "Baseline":
        """Read it, and let the kernel forget the peak until now, where it can."""
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
        return cls(_status("VmRSS") or _peak())

    def peak(self) -> Memory:
        """The most that was resident since then, less what was resident then."""
        most = _status("VmHWM") or _peak()
        return Memory(
            "peak rss",
            max(0, most - self.bytes),
            "most resident memory of the process from importing the runtime to the last sample, "
            f"less the {self.bytes} bytes of Python, NumPy, the input and the harness before it",
        )


def _status(field: str) -> int | None:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith(f"{field}:")]
    return int(found[0]) * 1024 if found else None


def _peak() -> int:
    """Where there is no /proc: the peak since the process began; macOS counts bytes, not KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def runtime_memory(job: Job, session: Session) -> list[Memory]:
    """What the runtime itself says, after a run."""
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
        "LiteRT's activations and scratch, input and output included, shared memory counted once; "
        "what XNNPACK keeps for itself is not in it",
    )


def _engine(session: Session, job: Job) -> list[Memory]:
    from edge_sr.runtime.engine import EngineSession

    assert isinstance(session, EngineSession)
    width = job.width // (job.interface.scale if job.part == "decoder" else 1)
    return [
        Memory(
            "runtime arena",
            sum(session.arenas),
            f"the engine's arenas of {len(session.arenas)} strips, one for each thread, without "
            "input and output",
        ),
        Memory(
            "engine ram",
            session.plan.arena_bytes(width),
            "the engine's arena for frames of this width on a microcontroller, frames left out",
        ),
        Memory(
            "flash",
            session.plan.flash_bytes,
            "the engine's plan, weights included, at most; the engine's code comes on top",
        ),
    ]


def _tflm(job: Job) -> Memory:
    from edge_sr.runtime.arena import arena_bytes, host_abi

    step = job.interface.scale if job.part == "decoder" else 1
    model = graph.resize(read_bytes(job.artifact), job.height // step, job.width // step)
    what = f"TFLM's arena, input and output included, as it says itself, {host_abi()}"
    return Memory("tflm arena", arena_bytes(model), what)
