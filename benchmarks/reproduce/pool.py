"""Runs jobs in processes of this machine, some at a time; one that is killed is started again."""

import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from benchmarks.reproduce import work, worker
from benchmarks.reproduce.work import Job

TRIES = 4
"""How often a run is started before it is given up."""


@dataclass(frozen=True)
class Outcome:
    """What became of a job; `error` is a sentence, or empty."""

    job: Job
    error: str = ""


class Pool:
    """Processes side by side."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._processes: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._ended = False

    def run(self, jobs: Sequence[Job]) -> Generator[Outcome]:
        """The outcomes, as they come; what runs is ended when the caller leaves."""
        with ThreadPoolExecutor(self._size) as threads:
            pending = [threads.submit(self._do, job) for job in jobs]
            try:
                for done in as_completed(pending):
                    yield done.result()
            finally:
                for waiting in pending:
                    waiting.cancel()
                self._end()

    def _do(self, job: Job) -> Outcome:
        said = ""
        for _ in range(TRIES):
            code, said = self._attempt(job)
            if code == 0:
                return Outcome(job)
            if code == worker.REFUSED or self._ended:
                return Outcome(job, said)
        return Outcome(job, f"{job.folder}: its process ended {TRIES} times: {said}")

    def _attempt(self, job: Job) -> tuple[int, str]:
        """The exit code of a process, and the last that it said."""
        # A session of its own: Ctrl-C goes to us alone, and we end it.
        with self._lock:
            if self._ended:
                return worker.REFUSED, "interrupted"
            process = subprocess.Popen(
                [sys.executable, "-m", worker.__name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
                cwd=Path.cwd(),
            )
            self._processes.add(process)
        try:
            return _talk(process, job)
        finally:
            self._processes.discard(process)

    def _end(self) -> None:
        with self._lock:
            self._ended = True
            for process in tuple(self._processes):
                process.terminate()


def _talk(process: "subprocess.Popen[str]", job: Job) -> tuple[int, str]:
    assert process.stdin and process.stdout and process.stderr
    noise: list[str] = []
    reader = threading.Thread(target=lambda: noise.extend(process.stderr))  # type: ignore[arg-type]
    reader.start()
    with process:
        try:
            process.stdin.write(work.to_json(job) + "\n")
            process.stdin.flush()  # and left open: it ends with us
        except BrokenPipeError:
            pass
        said = process.stdout.read()
        reader.join()
        code = process.wait()
    last = noise[-1].strip() if noise else f"exit code {code}"
    return code, said or last
