"""Processes of tests leave nothing behind."""

import os
import signal
import subprocess
import sys

from processes import Processes

SLEEP = "import time; time.sleep(600)"
ORPHAN = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {SLEEP!r}], start_new_session=True)
print(child.pid, flush=True)
"""


def test_orphans_in_another_session_are_killed(processes: Processes) -> None:
    process = processes.start([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True)
    orphan = int(process.stdout.readline())
    assert process.wait() == 0
    assert processes.running() == [orphan]
    processes.end()
    assert processes.running() == []


def test_stopped_processes_are_killed(processes: Processes) -> None:
    process = processes.start([sys.executable, "-c", SLEEP])
    os.kill(process.pid, signal.SIGSTOP)
    processes.end()
    assert process.returncode == -signal.SIGKILL
