"""Fixtures of the tests of commands."""

from pathlib import Path

import pytest
from command_line import EdgeSr

from edge_sr.zoo import catalog


@pytest.fixture
def edge_sr(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> EdgeSr:
    """Runs `edge-sr` with the given arguments."""
    return EdgeSr(monkeypatch, capfd)


@pytest.fixture
def small_zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ship two networks only, so that tables of them are computed quickly."""
    folder = tmp_path / "zoo"
    folder.mkdir()
    for name in ("tinypssr-x2", "tinycompress-16"):
        (folder / name).symlink_to(catalog.FOLDER / name)
    monkeypatch.setattr(catalog, "FOLDER", folder)
