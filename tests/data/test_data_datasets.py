"""Folders in their three layouts, on files made here."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from edge_sr.data.datasets import Pair, find_pairs, load_pair, split_validation
from edge_sr.data.degradation import bicubic_downscale
from edge_sr.errors import UserError


def write(path: Path, height: int = 9, width: int = 14, gray: bool = False) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = sum(str(path.name).encode())
    shape = (height, width) if gray else (height, width, 3)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    PillowImage.fromarray(pixels).save(path)
    return pixels


@pytest.fixture
def div2k(tmp_path: Path) -> Path:
    for part, numbers in (("train", (2, 1)), ("valid", (801,))):
        for number in numbers:
            write(tmp_path / f"DIV2K_{part}_HR/{number:04}.png", 12, 16)
            for scale in (2, 4):
                low = f"DIV2K_{part}_LR_bicubic/X{scale}/{number:04}x{scale}.png"
                write(tmp_path / low, 12 // scale, 16 // scale)
    return tmp_path


def relative(pairs: list[Pair], root: Path) -> list[tuple[str, str, str | None]]:
    return [
        (p.name, p.hr.relative_to(root).as_posix(), p.lr and p.lr.relative_to(root).as_posix())
        for p in pairs
    ]


# --- layouts -------------------------------------------------------------------------------------


def test_plain_folders_are_searched_and_their_images_reduced(tmp_path: Path) -> None:
    write(tmp_path / "b.png")
    write(tmp_path / "sub/a.png")
    pairs = find_pairs(tmp_path, 2)
    assert relative(pairs, tmp_path) == [("b", "b.png", None), ("sub/a", "sub/a.png", None)]
    lr, hr = load_pair(pairs[0], 2)
    assert hr.shape == (8, 14, 3)
    np.testing.assert_array_equal(lr, bicubic_downscale(hr, 2))


@pytest.mark.parametrize("scale", [2, 4])
def test_standard_sets_use_their_own_low_resolution_files(tmp_path: Path, scale: int) -> None:
    write(tmp_path / "hr/001.png", 10, 13)
    for low in (2, 4):
        write(tmp_path / f"lr_x{low}/001.png", 10 // low, 13 // low)
    pairs = find_pairs(tmp_path, scale)
    assert relative(pairs, tmp_path) == [("001", "hr/001.png", f"lr_x{scale}/001.png")]
    lr, hr = load_pair(pairs[0], scale)
    assert hr.shape == (10 // scale * scale, 13 // scale * scale, 3)
    assert lr.shape == (10 // scale, 13 // scale, 3)


def test_low_resolution_images_of_a_missing_scale_are_computed(tmp_path: Path) -> None:
    write(tmp_path / "hr/001.png")
    write(tmp_path / "lr_x2/001.png", 4, 7)
    assert relative(find_pairs(tmp_path, 3), tmp_path) == [("001", "hr/001.png", None)]


@pytest.mark.parametrize("below", [".", "DIV2K_train_HR"])
def test_div2k_is_found_by_its_own_folder_and_its_parent(div2k: Path, below: str) -> None:
    pairs = find_pairs(div2k / below, 2)
    low = "DIV2K_train_LR_bicubic/X2/000"
    assert relative(pairs, div2k) == [
        ("0001", "DIV2K_train_HR/0001.png", f"{low}1x2.png"),
        ("0002", "DIV2K_train_HR/0002.png", f"{low}2x2.png"),
    ]
    lr, hr = load_pair(pairs[0], 2)
    assert (lr.shape, hr.shape) == ((6, 8, 3), (12, 16, 3))


def test_div2k_is_found_one_level_further_up(tmp_path: Path) -> None:
    write(tmp_path / "DIV2K/DIV2K_train_HR/0001.png")
    pairs = find_pairs(tmp_path, 2)
    assert relative(pairs, tmp_path) == [("0001", "DIV2K/DIV2K_train_HR/0001.png", None)]


def test_div2k_validation_images_are_named_by_their_folder(div2k: Path) -> None:
    pairs = find_pairs(div2k / "DIV2K_valid_HR", 4)
    low = "DIV2K_valid_LR_bicubic/X4/0801x4.png"
    assert relative(pairs, div2k) == [("0801", "DIV2K_valid_HR/0801.png", low)]


def test_div2k_found_through_a_relative_path(div2k: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(div2k / "DIV2K_valid_HR")
    pairs = find_pairs(".", 2)
    assert [pair.name for pair in pairs] == ["0801"]
    assert pairs[0].lr is not None


@pytest.mark.shared
def test_the_standard_sets_are_complete(shared_data: Path) -> None:
    for name, count in {"set5": 5, "set14": 14, "bsd100": 100}.items():
        pairs = find_pairs(shared_data / name, 4)
        assert len(pairs) == count
        assert all(pair.lr for pair in pairs)


# --- what is refused -----------------------------------------------------------------------------


def test_a_missing_counterpart_is_named(div2k: Path) -> None:
    (div2k / "DIV2K_train_LR_bicubic/X2/0002x2.png").unlink()
    with pytest.raises(UserError, match=r"lacks 0002x2\.png"):
        find_pairs(div2k, 2)


def test_folders_without_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no image"):
        find_pairs(tmp_path, 2)
    with pytest.raises(UserError, match="not a folder"):
        find_pairs(tmp_path / "missing", 2)


def test_two_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "hr.png", 8, 8)
    write(tmp_path / "small.png", 4, 3)
    write(tmp_path / "gray.png", 4, 4, gray=True)
    with pytest.raises(UserError, match=r"3x4 RGB.*4x4 RGB"):
        load_pair(Pair("a", tmp_path / "hr.png", tmp_path / "small.png"), 2)
    with pytest.raises(UserError, match=r"4x4 gray.*4x4 RGB"):
        load_pair(Pair("a", tmp_path / "hr.png", tmp_path / "gray.png"), 2)


def test_images_smaller_than_the_scale_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.png", 3, 30)
    with pytest.raises(UserError, match="too small to be reduced by 4"):
        load_pair(Pair("a", tmp_path / "a.png", None), 4)


# --- validation ----------------------------------------------------------------------------------

PAIRS = [Pair(f"{number}", Path(f"{number}.png"), None) for number in range(50)]


def test_the_split_depends_on_the_seed_alone() -> None:
    train, validation = split_validation(PAIRS, 12, 7)
    assert split_validation(PAIRS, 12, 7) == (train, validation)
    assert split_validation(PAIRS, 12, 8) != (train, validation)
    assert len(validation) == 12
    assert sorted(train + validation, key=PAIRS.index) == PAIRS
    assert train == sorted(train, key=PAIRS.index)


@pytest.mark.parametrize("count", [-1, 50, 51])
def test_at_least_one_training_image_must_remain(count: int) -> None:
    with pytest.raises(UserError, match="at least one"):
        split_validation(PAIRS, count, 0)
