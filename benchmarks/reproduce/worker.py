"""Runs one job, a line of standard input: `python -m benchmarks.reproduce.worker`.

The process ends with its standard input, so that it does not outlive the process that started it.
"""

import os
import signal
import sys
import threading
from typing import NoReturn

from benchmarks.reproduce import work
from edge_sr.errors import UserError

REFUSED = 2
"""The exit code after a user's error: the output says why, and a retry would not help."""


def main() -> None:
    """Run the job; write a user's error to standard output as one sentence."""
    signal.signal(signal.SIGTERM, _terminate)
    job = work.from_json(sys.stdin.readline())
    threading.Thread(target=_watch, daemon=True).start()
    try:
        work.do(job)
    except UserError as error:
        _refuse(str(error))
    except OSError as error:
        _refuse(f"{error.filename or job.folder}: {error.strerror or error}")


def _watch() -> None:
    os.read(0, 1)  # not through Python's buffer, whose lock would block the exit
    os._exit(1)


def _terminate(number: int, _: object) -> NoReturn:
    """Exit by an exception, so that temporary files are removed."""
    sys.exit(128 + number)


def _refuse(sentence: str) -> None:
    sys.stdout.write(sentence)
    sys.stdout.flush()
    sys.exit(REFUSED)


if __name__ == "__main__":
    main()
