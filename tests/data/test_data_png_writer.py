"""PNG files written band by band, read back with Pillow."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from edge_sr.data.png_writer import open_png
from edge_sr.errors import UserError


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    channels=st.sampled_from([1, 3]),
    cuts=st.lists(st.integers(0, 40), max_size=4),
    seed=st.integers(0, 99),
)
def test_pillow_reads_what_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    height: int,
    width: int,
    channels: int,
    cuts: list[int],
    seed: int,
) -> None:
    shape = (height, width) if channels == 1 else (height, width, channels)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    path = tmp_path_factory.mktemp("png") / "a.png"
    with open_png(path, height, width, channels) as png:
        for band in np.split(pixels, sorted(min(cut, height) for cut in cuts)):
            png.write(band)
    with PillowImage.open(path) as picture:
        np.testing.assert_array_equal(np.asarray(picture), pixels)
    assert [file.name for file in path.parent.iterdir()] == ["a.png"]


def test_16_bit_gray(tmp_path: Path) -> None:
    counts = np.random.default_rng(0).integers(0, 65536, (20, 30)).astype(np.uint16)
    with open_png(tmp_path / "a.png", 20, 30, 1, bits=16) as png:
        png.write(counts[:3])
        png.write(counts[3:])
        with pytest.raises(ValueError, match="rows of uint8"):
            png.write(np.zeros((1, 30), np.uint8))
    with PillowImage.open(tmp_path / "a.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), counts)


def test_views_that_are_not_contiguous_are_written(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    with open_png(tmp_path / "a.png", 15, 10, 3) as png:
        png.write(pixels[:15, ::3])
    with PillowImage.open(tmp_path / "a.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), pixels[:15, ::3])


def test_files_are_no_larger_than_pillow_makes_them(tmp_path: Path) -> None:
    ramp = np.add.outer(np.arange(300), np.arange(400)) / 3
    noise = np.random.default_rng(0).normal(0, 2, ramp.shape)
    pixels = np.clip(ramp + noise, 0, 255).astype(np.uint8)
    PillowImage.fromarray(pixels).save(tmp_path / "pillow.png")
    with open_png(tmp_path / "a.png", *pixels.shape, 1) as png:
        png.write(pixels)
    ours, theirs = ((tmp_path / name).stat().st_size for name in ("a.png", "pillow.png"))
    assert ours < 1.1 * theirs


@pytest.mark.parametrize(
    "rows",
    [
        np.zeros((2, 5, 3), np.uint8),
        np.zeros((2, 4), np.uint8),
        np.zeros((2, 4, 3), np.float32),
        np.zeros((4, 4, 3), np.uint8),
        np.zeros((2, 4, 3), np.uint8),  # one row is missing
    ],
)
def test_after_an_error_nothing_is_left(tmp_path: Path, rows: np.ndarray) -> None:
    with pytest.raises(ValueError, match="rows"), open_png(tmp_path / "a.png", 3, 4, 3) as png:
        png.write(rows)
    assert not list(tmp_path.iterdir())


def test_an_interrupted_file_leaves_the_old_one_alone(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"old")

    def interrupted() -> None:
        with open_png(tmp_path / "a.png", 3, 4, 3) as png:
            png.write(np.zeros((2, 4, 3), np.uint8))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (tmp_path / "a.png").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("size", [(0, 4, 3), (4, -1, 3), (4, 4, 2), (2**31, 4, 1)])
def test_sizes_that_png_cannot_hold_are_refused(tmp_path: Path, size: tuple[int, ...]) -> None:
    with pytest.raises(UserError), open_png(tmp_path / "a.png", *size):
        pass


@pytest.mark.parametrize("channels", [1, 3])
def test_a_profile_stands_before_the_pixels(tmp_path: Path, channels: int) -> None:
    profile = bytes(range(256)) * 20
    shape = (5, 6) if channels == 1 else (5, 6, 3)
    with open_png(tmp_path / "a.png", 5, 6, channels, profile) as png:
        png.write(np.full(shape, 7, np.uint8))
    data = (tmp_path / "a.png").read_bytes()
    assert data.index(b"IHDR") < data.index(b"iCCP") < data.index(b"IDAT")
    with PillowImage.open(tmp_path / "a.png") as picture:
        assert picture.info["icc_profile"] == profile
        np.testing.assert_array_equal(np.asarray(picture), np.full(shape, 7))


def test_paths_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="cannot write"),
        open_png(tmp_path / "x" / "a.png", 1, 1, 1),
    ):
        pass
