"""Compiles a project with arm-none-eabi-gcc."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from edge_sr.errors import UserError, VerificationError

IMAGE = "firmware.elf"
_TOOLS = {"arm-none-eabi-gcc": "gcc-arm-none-eabi", "make": "make"}
_NOT_OURS = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")  # of a make that called us


def check_tools() -> None:
    """Find out early that the compiler is missing.

    Raises:
        UserError: it is.
    """
    for tool, package in _TOOLS.items():
        if shutil.which(tool) is None:
            raise UserError(
                f"building firmware needs {tool}, which is missing; `apt-get install {package} "
                "libnewlib-arm-none-eabi` brings it on Debian and Ubuntu"
            )


def build(folder: Path, extra_flags: str = "") -> Path:
    """Compile and link the project in `folder`; leaves firmware.elf there, its path is returned.

    Args:
        folder: as `project.write` makes it.
        extra_flags: for the compiler, such as "-Werror".

    Raises:
        UserError: the compiler is missing, or the image does not fit the board's memory.
        VerificationError: the compiler refuses the code.
    """
    check_tools()
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
