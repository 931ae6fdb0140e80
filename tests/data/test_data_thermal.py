"""Folders of thermal images, as FLIR and OSU lay them out, on trees made here."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_sr.data import thermal
from edge_sr.data.datasets import find_pairs, load_pair
from edge_sr.data.degradation import bicubic_downscale
from edge_sr.errors import UserError

FLIR_1 = (
    "train/thermal_8_bit/FLIR_00001.jpeg",
    "train/thermal_16_bit/FLIR_00001.tiff",
    "train/RGB/FLIR_00001.jpg",
    "val/thermal_8_bit/FLIR_08863.jpeg",
    "val/RGB/FLIR_08863.jpg",
    "video/thermal_8_bit/FLIR_video_00001.jpeg",
)
FLIR_2 = (
    "images_thermal_train/data/video-a-frame-000001-x.jpg",
    "images_rgb_train/data/video-b-frame-000001-y.jpg",
    "images_thermal_val/data/video-c-frame-000001-z.jpg",
    "video_thermal_test/data/video-d-frame-000001-w.jpg",
)
OSU = tuple(f"{number:05}/img_{frame:05}.bmp" for number in range(1, 11) for frame in (1, 2))


def make(root: Path, files: tuple[str, ...]) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((24, 32), len(file), np.uint8)).save(root / file)
    return root


def found(folder: Path, for_test: bool) -> list[str]:
    pairs = find_pairs(folder, 2, for_test)
    assert all(pair.lr is None for pair in pairs)
    return [pair.hr.relative_to(folder).as_posix() for pair in pairs]


@pytest.mark.parametrize(("files", "test_image"), [(FLIR_1, FLIR_1[3]), (FLIR_2, FLIR_2[2])])
def test_flir_is_found_by_its_root_and_above(
    tmp_path: Path, files: tuple[str, ...], test_image: str
) -> None:
    root = make(tmp_path / "FLIR_ADAS", files)
    assert found(root, for_test=False) == [files[0]]
    assert found(root, for_test=True) == [test_image]
    assert found(tmp_path, for_test=True) == [f"FLIR_ADAS/{test_image}"]
    assert getattr(thermal.find(root), "name", None) == "flir"


@pytest.mark.parametrize(("files", "part"), [(FLIR_1, "val"), (FLIR_2, "images_thermal_val")])
def test_a_part_of_flir_serves_as_training_and_test_images(
    tmp_path: Path, files: tuple[str, ...], part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(make(tmp_path, files) / part)
    for for_test in (False, True):
        (file,) = find_pairs(".", 2, for_test)
        assert f"{part}/{file.hr.as_posix()}" in files
        assert "RGB" not in file.hr.parts
    assert getattr(thermal.find(Path()), "name", None) == "flir"


def test_osu_tests_on_its_last_two_sequences(tmp_path: Path) -> None:
    make(tmp_path, OSU)
    assert found(tmp_path, for_test=True) == list(OSU[16:])
    assert found(tmp_path, for_test=False) == list(OSU[:16])
    assert getattr(thermal.find(tmp_path), "name", None) == "osu"


def test_other_folders_are_plain_sets(tmp_path: Path) -> None:
    files = (*OSU[:6], "FLIR_00001.png")
    make(tmp_path, files)
    assert thermal.find(tmp_path) is None
    assert found(tmp_path, for_test=True) == found(tmp_path, for_test=False) == sorted(files)


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    make(tmp_path, FLIR_1[:3])
    assert found(tmp_path, for_test=False) == [FLIR_1[0]]
    with pytest.raises(UserError, match="val/thermal_8_bit of the data set flir"):
        find_pairs(tmp_path, 2, for_test=True)


# --- 16 bits -------------------------------------------------------------------------------------


def wide(path: Path, counts: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(counts.astype(np.uint16)).save(path)
    return path.parent


@pytest.mark.parametrize("name", ["thermal_16_bit/a.tiff", "thermal_16_bit/a.png"])
def test_counts_are_mapped_to_8_bits_for_training(tmp_path: Path, name: str) -> None:
    ramp = 7000 + np.add.outer(np.arange(48), 2 * np.arange(64))
    (pair,) = find_pairs(wide(tmp_path / name, ramp), 2)
    low, high = load_pair(pair, 2)
    assert (high.min(), high.max(), len(np.unique(high))) == (0, 255, 170)
    np.testing.assert_array_equal(low, bicubic_downscale(high, 2))


def test_low_resolution_counts_use_the_span_of_their_original(tmp_path: Path) -> None:
    wide(tmp_path / "hr/a.png", 7000 + 8 * np.arange(256).reshape(16, 16))
    wide(tmp_path / "lr_x2/a.png", np.full((8, 8), 7000 + 8 * 100))
    low, high = load_pair(find_pairs(tmp_path, 2)[0], 2)
    np.testing.assert_array_equal(high, np.arange(256).reshape(16, 16))
    np.testing.assert_array_equal(low, np.full((8, 8), 100))
