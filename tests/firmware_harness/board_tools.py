"""Helpers of the tests that build for boards."""

import shutil

import pytest

from firmware_harness import port as ports
from firmware_harness.board import Board


def skip_without_tools(board: Board) -> None:
    """Skip a test where the compiler or the emulator of a board is missing."""
    port = ports.of(board)
    emulator = () if board.emulator is None else (port.emulator,)
    for tool in (f"{port.compiler}gcc", "make", *emulator):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
