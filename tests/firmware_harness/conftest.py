"""Fixtures of the tests that build for boards and emulate them."""

import shutil

import pytest

from firmware_harness import board as boards
from firmware_harness.board import Board


@pytest.fixture(params=boards.names())
def board(request: pytest.FixtureRequest) -> Board:
    """Each board in turn."""
    return boards.find(request.param)


@pytest.fixture(autouse=True)
def _needs_tools(request: pytest.FixtureRequest) -> None:
    """Skip what is marked `cross` where the tools are absent."""
    if request.node.get_closest_marker("cross") is None:
        return
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
