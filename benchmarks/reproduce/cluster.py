"""Runs jobs as Ray tasks, on all machines of a cluster, which share one folder."""

import platform
import socket
import subprocess
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.reproduce import work
from benchmarks.reproduce.pool import TRIES, Outcome
from benchmarks.reproduce.work import Job
from edge_sr.errors import UserError, require

LOCAL, AUTO = "local", "auto"
_CONNECT_SECONDS, _ANSWER_SECONDS = 3, 10


class Cluster:
    """A Ray cluster; a task whose worker dies is restarted and resumes from its state."""

    def __init__(self, address: str) -> None:
        """Connect.

        Args:
            address: HOST:PORT, "auto" for a cluster on this machine, or "local" to start one.

        Raises:
            UserError: Ray is not installed or does not answer.
        """
        self._ray: Any = require("ray", "ray")
        if address not in (LOCAL, AUTO):
            _require_answer(address)
        try:
            self._ray.init(
                address, log_to_driver=False, logging_level="ERROR", include_dashboard=None
            )
        except (ConnectionError, RuntimeError) as error:
            raise UserError(f"Ray does not answer at {address!r}: {_first(error)}") from None

    def run(self, jobs: Sequence[Job]) -> Generator[Outcome]:
        """Yield the outcome of each job when it ends; ends all tasks when it is closed."""
        # A process for each task: TensorFlow's seed and settings belong to the process.
        task = self._ray.remote(num_cpus=1, max_calls=1, max_retries=TRIES - 1)(attempt)
        try:
            pending = {task.remote(work.to_json(job)): job for job in jobs}
            while pending:
                (done, *_), _ = self._ray.wait(list(pending))
                yield Outcome(pending.pop(done), self._error(done))
        finally:
            self._ray.shutdown()

    def _error(self, done: Any) -> str:
        try:
            return str(self._ray.get(done))
        except self._ray.exceptions.RayError as error:
            return _first(error)


def attempt(text: str) -> str:
    """Run a job as a task; returns a user's error, or an empty text."""
    job = work.from_json(text)
    # The study's results are two folders above a run's: see drive.py.
    if not any(Path(job.folder).parent.parent.glob("*.json")):
        return f"{platform.node()} cannot see {job.folder}; share this folder between all machines"
    try:
        work.do(job)
    except UserError as error:
        return str(error)
    except OSError as error:
        return f"{error.filename or job.folder}: {error.strerror or error}"
    return ""


def _require_answer(address: str) -> None:
    """Check the address; Ray itself would try for two minutes and then end the process.

    Raises:
        UserError: Ray does not answer at the address.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535 or "/" in host:
        raise UserError(f"{address!r} is not an address of Ray; write HOST:PORT, {AUTO} or {LOCAL}")
    try:
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
    except OSError as error:
        raise UserError(f"Ray does not answer at {address}: {error.strerror or error}") from None
    command = [sys.executable, "-m", "ray.scripts.scripts", "status", "--address", address]
    try:
        subprocess.run(command, capture_output=True, timeout=_ANSWER_SECONDS, check=True)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        raise UserError(f"the server at {address} is not Ray, or another version of it") from None


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
