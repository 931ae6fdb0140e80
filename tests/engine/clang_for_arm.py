"""Compiles the engine with Clang for Cortex-M, with the headers of GCC's C library."""

import functools
import shutil
import subprocess
from pathlib import Path

import pytest

from edge_sr.engine.build import STRICT


def compile_with_clang(source: Path, folder: Path, flags: list[str]) -> Path:
    """Compile one source without a warning; skip the test without Clang or the headers."""
    if shutil.which("clang") is None:
        pytest.skip("clang is not installed")
    target = folder / f"{source.stem}.o"
    arm = ["--target=arm-none-eabi", "-mthumb", "-isystem", str(_headers()), *flags]
    command = ["clang", *arm, *STRICT, "-c", str(source), "-o", str(target)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


@functools.cache
def _headers() -> Path:
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    done = subprocess.run(
        ["arm-none-eabi-gcc", "-M", "-xc", "-"],
        input="#include <string.h>\n",
        capture_output=True,
        text=True,
        check=True,
    )
    return next(Path(path).parent for path in done.stdout.split() if path.endswith("/string.h"))
