"""Helpers of the tests that build for boards."""

import hashlib
import shutil
import tempfile
from pathlib import Path

import pytest

from firmware_harness import build
from firmware_harness import port as ports
from firmware_harness.board import Board

_OBJECTS = tempfile.TemporaryDirectory(prefix="edge-sr-objects-")
_SHARED = ("engine", "port")  # folders whose objects do not depend on the model


def skip_without_tools(board: Board) -> None:
    """Skip a test where the compiler or the emulator of a board is missing."""
    port = ports.of(board)
    emulator = () if board.emulator is None else (port.emulator,)
    for tool in (f"{port.compiler}gcc", "make", *emulator):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


def build_image(folder: Path, board: Board) -> Path:
    """Build a project with warnings as errors; engine and port are compiled once per session.

    Their objects are reused only for the same sources, headers, Makefile and flags.
    """
    objects = Path(_OBJECTS.name) / _digest(folder)
    if objects.is_dir():
        # Copied after the sources were written, so that make takes the objects for newer.
        shutil.copytree(objects, folder / "build", copy_function=shutil.copyfile)
    image = build.build(folder, board, "-Werror")
    if not objects.is_dir():
        for name in _SHARED:
            shutil.copytree(folder / "build" / name, objects / name)
    return image


def _digest(folder: Path) -> str:
    sources = [path for name in _SHARED for path in sorted((folder / name).iterdir())]
    digest = hashlib.sha256()
    for path in (folder / "Makefile", folder / "board.mk", *sources):
        digest.update(f"{path.name} {path.stat().st_size} ".encode() + path.read_bytes())
    return digest.hexdigest()
