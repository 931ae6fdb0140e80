"""Builds programs of the engine's C sources with AddressSanitizer and UBSan."""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from edge_sr.engine.build import SOURCES

FLAGS = ("-std=c99", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def build(program: Path, sources: Iterable[Path], *flags: str) -> Path:
    """Compile a program; skip the test if no compiler is installed."""
    compiler = shutil.which("clang") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler is installed")
    command = [compiler, *FLAGS, *flags, f"-I{SOURCES}", *map(str, sources), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return program
