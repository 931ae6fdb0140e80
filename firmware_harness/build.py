"""Compile a project with the compiler of the board's port."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from edge_sr.errors import UserError, VerificationError
from firmware_harness import port as ports
from firmware_harness.board import Board

IMAGE = "firmware.elf"
_NOT_OURS = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")  # of an outer make
_REASONS = (r"(?<!collect2: )error: ", "undefined reference", r"\bld: (?!warning)", "error", "")
"""Patterns of lines in a compiler's log, the most telling first."""


def check_tools(board: Board) -> None:
    """Refuse to go on without the compiler, before anything is written.

    Raises:
        UserError: the compiler or make is missing, or no image can be built for the board.
    """
    port = ports.of(board)
    for tool, package in ((f"{port.compiler}gcc", port.packages), ("make", "make")):
        if shutil.which(tool) is None:
            raise UserError(
                f"building firmware needs {tool}, which is missing; `apt-get install {package}` "
                "installs it on Debian and Ubuntu"
            )


def build(folder: Path, board: Board, extra_flags: str = "") -> Path:
    """Compile and link the project in a folder.

    Args:
        folder: written by `project.write`.
        board: the board that the project is for.
        extra_flags: compiler flags, such as "-Werror".

    Returns:
        The path of firmware.elf, in the folder.

    Raises:
        UserError: the compiler is missing or rejects the board's flags, or the image does not fit
            the board's memory.
        VerificationError: the compiler rejects the code.
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
    """Compile an empty file, to find out whether the board's flags are why the build failed.

    Raises:
        UserError: the compiler rejects the flags.
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
            f"{compiler} rejects `flags` of the board {board.name}: {_reason(done.stderr)}"
        )


def _failure(log: str) -> Exception:
    overflow = re.search(r"region [`'](\w+)' overflowed by (\d+) bytes", log)
    if overflow is not None:
        return UserError(f"the image is {int(overflow[2]):,} bytes too large for the {overflow[1]}")
    if "No space left on device" in log:
        return UserError("the compiler cannot write the image: No space left on device")
    return VerificationError(f"compiling the project failed: {_reason(log)}")


def _reason(log: str) -> str:
    """Return the line with the reason; collect2 and make only say that the linker failed."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for pattern in _REASONS:
        matches = [line for line in lines if re.search(pattern, line)]
        if matches:
            return matches[0]
    return "no error message"
