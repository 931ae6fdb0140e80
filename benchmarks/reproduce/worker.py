"""The process of one run: `python -m benchmarks.reproduce.worker`, a job as a line of input.

It ends when its input does, so that it does not outlive what started it.
"""

import os
import signal
import sys
import threading
from typing import NoReturn

from benchmarks.reproduce import work
from edge_sr.errors import UserError

REFUSED = 2
"""The exit code that says: the line of output tells why, and trying again will not help."""


def main() -> None:
    """Do the job; what a user did wrong goes to standard output in one sentence."""
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
    os.read(0, 1)  # past Python's buffer, whose lock would be missed at the end
    os._exit(1)


def _terminate(number: int, _: object) -> NoReturn:
    """End by an exception, so that temporary files are removed on the way out."""
    sys.exit(128 + number)


def _refuse(sentence: str) -> None:
    sys.stdout.write(sentence)
    sys.stdout.flush()
    sys.exit(REFUSED)


if __name__ == "__main__":
    main()
