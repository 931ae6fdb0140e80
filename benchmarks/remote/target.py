"""`python -m benchmarks.remote.target task.json`: the measurement on the target."""

import signal
import sys
from pathlib import Path
from typing import NoReturn

from benchmarks.measuring.device import require_cores
from benchmarks.measuring.measure import measure
from benchmarks.remote import task_file
from benchmarks.remote.bootstrap import send
from edge_sr import records
from edge_sr.errors import UserError


def main() -> None:
    """Measure the task and send the record to the host after each case."""
    signal.signal(signal.SIGTERM, _terminate)
    path = Path(sys.argv[1])
    try:
        task, resumes = task_file.read(path)
        for case in task.cases:
            require_cores(case.pinned)
        previous = records.read(path.with_name("previous.json")) if resumes else None
        measure(task, lambda record: send("record", records.dumps(record)), previous)
    except UserError as error:
        send("error", str(error))
        sys.exit(2)


def _terminate(number: int, _: object) -> NoReturn:
    """Exit by an exception, so that the process of the case ends too."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
