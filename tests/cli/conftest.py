"""Fixtures of the tests of commands."""

import pytest
from command_line import EdgeSr


@pytest.fixture
def edge_sr(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> EdgeSr:
    """Runs `edge-sr` with the given arguments."""
    return EdgeSr(monkeypatch, capfd)
