"""Fixtures that several tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import skimage.data
from PIL import Image
from processes import Processes

from edge_sr.zoo import catalog

REPOSITORY = Path(__file__).parent.parent
STAND_INS = Path(__file__).parent / "golden"
"""Untrained codecs, made by golden/make_codec_parts.py."""


@pytest.fixture
def processes() -> Iterator[Processes]:
    """Starts processes, which are killed at the end with all their descendants."""
    made = Processes()
    yield made
    made.end()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of standard image sets; tests that ask for it skip where it is absent."""
    folder = Path(os.environ.get("EDGE_SR_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "set5").is_dir():
        pytest.skip("no image sets: set EDGE_SR_DATA to a folder with set5, set14, bsd100, train")
    return folder


@pytest.fixture(scope="session")
def shared_models() -> Path:
    """The folder of other people's models; tests that ask for it skip where it is absent."""
    data = Path(os.environ.get("EDGE_SR_DATA", REPOSITORY.parent / "shared" / "data"))
    folder = data.parent / "models"
    if not (folder / "vww_96_int8.tflite").is_file():
        pytest.skip("no models of others: they are looked for in models beside EDGE_SR_DATA")
    return folder


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Has untrained codecs, of rates 4 and 16, stand in for the shipped ones."""
    monkeypatch.setattr(catalog, "FOLDER", STAND_INS)
    return STAND_INS


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six crops of scikit-image's photographs, 120x112."""
    folder = tmp_path_factory.mktemp("photographs")
    for name in ("astronaut", "coffee", "chelsea"):
        pixels = getattr(skimage.data, name)()
        for number, top in enumerate((20, 150)):
            crop = pixels[top : top + 112, 100:220]
            Image.fromarray(crop).save(folder / f"{name}{number}.png")
    return folder
