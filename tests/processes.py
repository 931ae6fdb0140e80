"""Processes of a test, which end with the test together with all their descendants."""

import contextlib
import multiprocessing
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

TOKEN = "EDGE_SR_TEST_PROCESSES"
"""An environment variable that children inherit; it also identifies orphans."""

REPOSITORY = Path(__file__).parent.parent
MAIN = "from edge_sr.cli.main import main; main()"


class Processes:
    """Starts processes, and kills them and their descendants at the end."""

    def __init__(self) -> None:
        self.environment = {TOKEN: secrets.token_hex(8)}
        self._pids: set[int] = set()
        self._started: list[subprocess.Popen[Any]] = []

    def start(self, command: Sequence[object], **options: Any) -> "subprocess.Popen[Any]":
        """Start a process in its own session; the options are those of `subprocess.Popen`."""
        options["env"] = {**(options.get("env") or os.environ), **self.environment}
        process = subprocess.Popen(
            [str(word) for word in command],
            start_new_session=True,
            preexec_fn=_heed_ctrl_c,
            **options,
        )
        self._started.append(process)
        self._pids.add(process.pid)
        return process

    def edge_sr(self, *arguments: object, code: str = MAIN, **options: Any) -> Any:
        """Start the command line; its standard error is captured as text."""
        options = {"stderr": subprocess.PIPE, "text": True, **options}
        return self.start([sys.executable, "-c", code, *arguments], **options)

    def call(self, function: Callable[..., None], *arguments: object) -> int | None:
        """Call a function in a fresh process; returns the exit code."""
        process = multiprocessing.get_context("spawn").Process(target=function, args=arguments)
        process.start()
        assert process.pid is not None
        self._pids.add(process.pid)
        process.join()
        return process.exitcode

    def running(self) -> list[int]:
        """Return the ids of started processes and descendants that have not ended."""
        table = {int(path.name): path for path in Path("/proc").glob("[0-9]*")}
        parents: dict[int, int] = {}
        found: set[int] = set()
        for pid, path in table.items():
            with contextlib.suppress(OSError):
                _, _, fields = (path / "stat").read_text().rpartition(")")
                state, parent, group, session, *_ = fields.split()
                if state in "ZX":
                    continue
                parents[pid] = int(parent)
                if {pid, int(group), int(session)} & self._pids or self._has_token(path):
                    found.add(pid)
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return sorted(found)

    def end(self) -> None:
        """Kill all that are still running."""
        while left := self.running():
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        for process in self._started:
            with process:
                process.kill()

    def _has_token(self, process: Path) -> bool:
        pair = f"{TOKEN}={self.environment[TOKEN]}".encode()
        return pair in (process / "environ").read_bytes().split(b"\0")


def _heed_ctrl_c() -> None:
    """Restore the default SIGINT: background jobs of a shell ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def with_start_up(folder: Path, code: str) -> dict[str, str]:
    """Return an environment in which every Python process runs this code first."""
    (folder / "sitecustomize.py").write_text(code)
    paths = [str(folder), str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def wait_until(true: Callable[[], bool], process: "subprocess.Popen[Any]") -> None:
    """Wait for a condition that a running process brings about."""
    while not true():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
