"""Runs jobs in processes of this machine, several at a time; restarts a killed process."""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from benchmarks.reproduce import work, worker
from benchmarks.reproduce.work import Job
from edge_sr.errors import UserError
from edge_sr.files import make_folder

LOG = "worker.log"
"""In a run's folder: the standard error of its processes."""

TRIES = 4
"""Maximum number of starts of a run."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a job; `error` is a sentence, or empty."""

    job: Job
    error: str = ""


class Pool:
    """Runs a number of processes at a time."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._processes: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._ended = False

    def run(self, jobs: Sequence[Job]) -> Generator[Outcome]:
        """Yield the outcome of each job when it ends; ends all processes when it is closed."""
        with ThreadPoolExecutor(self._size) as threads:
            pending = [threads.submit(self._run, job) for job in jobs]
            try:
                for done in as_completed(pending):
                    yield done.result()
            finally:
                for waiting in pending:
                    waiting.cancel()
                self._end()

    def _run(self, job: Job) -> Outcome:
        for _ in range(TRIES):
            try:
                code, output = self._attempt(job)
            except (OSError, UserError) as error:
                return Outcome(job, str(error))
            if code == 0:
                return Outcome(job)
            if code == worker.REFUSED or self._ended:
                return Outcome(job, output)
        return Outcome(job, f"its process ended {TRIES} times: {output}")

    def _attempt(self, job: Job) -> tuple[int, str]:
        """Run a process; returns its exit code, and its output or the path of its log."""
        make_folder(Path(job.folder))
        with (Path(job.folder) / LOG).open("ab") as log:
            process = self._start(log)
            try:
                output = _send(process, job)
            finally:
                self._processes.discard(process)
        return process.returncode, output or f"see {job.folder}/{LOG}"

    def _start(self, log: BinaryIO) -> "subprocess.Popen[str]":
        with self._lock:
            if self._ended:
                raise UserError("interrupted")
            process = subprocess.Popen(
                [sys.executable, "-m", worker.__name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                errors="replace",
                start_new_session=True,  # Ctrl-C reaches this process alone, which ends the others
            )
            self._processes.add(process)
            return process

    def _end(self) -> None:
        with self._lock:
            self._ended = True
            for process in tuple(self._processes):
                process.terminate()


def _send(process: "subprocess.Popen[str]", job: Job) -> str:
    """Send the job and wait. The process ends with its input, which therefore stays open."""
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(work.to_json(job) + "\n")
            process.stdin.flush()
        return process.stdout.read()
