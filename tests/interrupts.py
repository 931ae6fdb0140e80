"""Programs that a test interrupts."""

import signal


def heed() -> None:
    """For a new process: a shell's background jobs inherit that SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
