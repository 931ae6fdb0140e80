"""Fixtures of the tests that build for boards and emulate them."""

import pytest
from board_tools import skip_without_tools

from firmware_harness import board_file
from firmware_harness.board import Board


@pytest.fixture(params=board_file.emulated())
def board(request: pytest.FixtureRequest) -> Board:
    """Return each emulated board in turn."""
    found = board_file.find(request.param)
    if request.node.get_closest_marker("cross") is not None:
        skip_without_tools(found)
    return found


@pytest.fixture(autouse=True)
def _needs_tools(request: pytest.FixtureRequest) -> None:
    """Skip `cross` tests if the tools are missing: the board's, or Arm's for tests without one."""
    if request.node.get_closest_marker("cross") is not None and "board" not in request.fixturenames:
        skip_without_tools(board_file.find("mps2-an386"))
