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
        UserError: the compiler is missing, or the image does not fit the board's memory.
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
        raise _failure(done.stderr)
    return folder / IMAGE


def _failure(log: str) -> Exception:
    overflow = re.search(r"region [`'](\w+)' overflowed by (\d+) bytes", log)
    if overflow is not None:
        return UserError(f"the image is {int(overflow[2]):,} bytes too large for the {overflow[1]}")
    lines = [line for line in log.splitlines() if "error" in line] or log.splitlines()
    return VerificationError(f"the compiler refuses the project: {(lines or ['no reason'])[0]}")
