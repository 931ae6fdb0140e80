"""Studies: their files, their runs in processes that may die, and what tables make of results."""

import importlib.util
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.reproduce.drive import Request, reproduce
from benchmarks.reproduce.pool import Pool
from benchmarks.reproduce.results import Results
from benchmarks.reproduce.study import load

STUDY = """
title = "Smoke"
source = "a test"
about = "Full."
recipe = "slides"
published = "losses"
figures = ["psnr"]
columns = ["set5 x2", "set5 x4", "urban100 x2"]
[quick]
about = "Quick."
changes.data = { patch = 16, batch = 2, validation_images = 1 }
changes.stop = { epochs = 3, steps_per_epoch = 2 }
[[run]]
name = "mae"
model = "tinypssr"
scale = 2
options = { activation = "gcu+prelu" }
changes.loss = { mae = 1.0 }
[[run]]
name = "bicubic"
model = "bicubic"
scale = 2
[[claim]]
about = "MAE has the best PSNR"
figure = "psnr"
best = ["mae"]
"""

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: the extra `ray`"
)


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    path = tmp_path / "smoke.toml"
    path.write_text(STUDY)
    return path


@pytest.fixture
def tiny(photographs: Path, tmp_path: Path) -> Path:
    """A test set of one small image."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    with Image.open(photographs / "coffee0.png") as image:
        image.crop((0, 0, 40, 40)).save(folder / "a.png")
    return folder


def request(study: Path, photographs: Path, folder: Path, **sets: Path) -> Request:
    return Request(load(str(study)), True, 1, folder, photographs, sets)


def run(asked: Request) -> Results:
    return reproduce(asked, Pool(1), lambda *_: None)
