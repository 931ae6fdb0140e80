"""Fixtures that several tests share."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of standard image sets; tests that ask for it skip where it is absent."""
    folder = Path(os.environ.get("EDGE_SR_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "set5").is_dir():
        pytest.skip("no image sets: set EDGE_SR_DATA to a folder with set5, set14, bsd100, train")
    return folder
