"""`python -m benchmarks.remote.target task.json`: the measurement on the target."""

import signal
import sys
from pathlib import Path
from typing import NoReturn

from benchmarks.measuring.device import cores
from benchmarks.measuring.measure import Task, measure
from benchmarks.remote import task_file
from benchmarks.remote.bootstrap import send
from edge_sr import records
from edge_sr.errors import UserError


def main() -> None:
    """Send the record to the desk after each case."""
    signal.signal(signal.SIGTERM, _terminate)
    path = Path(sys.argv[1])
    try:
        task, resumes = task_file.read(path)
        _check_cores(task)
        former = records.read(path.with_name("former.json")) if resumes else None
        measure(task, lambda record: send("record", records.dumps(record)), former)
    except UserError as error:
        send("error", str(error))
        sys.exit(2)


def _check_cores(task: Task) -> None:
    here = cores()
    if any(not set(wanted.pinned) <= set(here) for wanted in task.wanted):
        listed = ", ".join(map(str, here))
        raise UserError(f"--pin names cores that are not there; there are {listed}")


def _terminate(number: int, _: object) -> NoReturn:
    """End by an exception, so that the case's process ends too."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
