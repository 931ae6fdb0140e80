"""Builds programs of the engine's C sources with AddressSanitizer and UBSan."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from edge_sr.engine.build import SOURCES

FLAGS = ("-std=c99", "-O1", "-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def build_once(
    factory: pytest.TempPathFactory, name: str, sources: Iterable[Path], *flags: str
) -> Path:
    """Compile a program of that name for all processes that run the tests."""
    folder = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    program = folder / name
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return program if program.exists() else build(program, sources, *flags)


def build(program: Path, sources: Iterable[Path], *flags: str) -> Path:
    """Compile a program; skip the test if no compiler is installed."""
    compiler = shutil.which("clang") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler is installed")
    command = [compiler, *FLAGS, *flags, f"-I{SOURCES}", *map(str, sources), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return program
