"""Compiles a project with the compiler of the board's port."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from edge_sr.errors import UserError, VerificationError
from firmware_harness import port as ports
from firmware_harness.board import Board

IMAGE = "firmware.elf"
_NOT_OURS = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")  # of a make that called us
_REASONS = (r"(?<!collect2: )error: ", "undefined reference", r"\bld: (?!warning)", "error", "")
"""Of lines in a compiler's log, those that tell most first."""


def check_tools(board: Board) -> None:
    """Find out early that the compiler is missing.

    Raises:
        UserError: it is, or there are no images for the board.
    """
    port = ports.of(board)
    for tool, package in ((f"{port.compiler}gcc", port.packages), ("make", "make")):
        if shutil.which(tool) is None:
            raise UserError(
                f"building firmware needs {tool}, which is missing; `apt-get install {package}` "
                "brings it on Debian and Ubuntu"
            )


def build(folder: Path, board: Board, extra_flags: str = "") -> Path:
    """Compile and link the project in `folder`; leaves firmware.elf there, its path is returned.

    Args:
        folder: as `project.write` makes it.
        board: what for.
        extra_flags: for the compiler, such as "-Werror".

    Raises:
        UserError: the compiler is missing or does not know the board's flags, or the image does
            not fit the board's memory.
        VerificationError: the compiler refuses the code.
    """
    check_tools(board)
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
    done = subprocess.run(
        ["make", "--silent", f"EXTRA_CFLAGS={extra_flags}"],
        cwd=folder,
        env={**environment, "LC_ALL": "C"},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        _check_flags(board)
        raise _failure(done.stderr)
    return folder / IMAGE


def _check_flags(board: Board) -> None:
    """Find out whether the board's flags are why nothing is built: no code is compiled with them.

    Raises:
        UserError: so.
    """
    compiler = f"{ports.of(board).compiler}gcc"
    done = subprocess.run(
        [compiler, *board.bare_image().flags, "-c", "-x", "c", os.devnull, "-o", os.devnull],
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise UserError(
            f"{compiler} refuses `flags` of the board {board.name}: {_reason(done.stderr)}"
        )


def _failure(log: str) -> Exception:
    overflow = re.search(r"region [`'](\w+)' overflowed by (\d+) bytes", log)
    if overflow is not None:
        return UserError(f"the image is {int(overflow[2]):,} bytes too large for the {overflow[1]}")
    if "No space left on device" in log:
        return UserError("the compiler cannot write the image: No space left on device")
    return VerificationError(f"the compiler refuses the project: {_reason(log)}")


def _reason(log: str) -> str:
    """The line that says why; collect2 and make only say that the linker had a reason."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for pattern in _REASONS:
        found = [line for line in lines if re.search(pattern, line)]
        if found:
            return found[0]
    return "no reason is given"
