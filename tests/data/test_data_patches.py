"""Training patches: aligned, in all orientations, from every place."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from edge_sr.data.colour import luminance
from edge_sr.data.datasets import Pair, load_pair
from edge_sr.data.patches import Planes, load_planes, sample_patches
from edge_sr.errors import UserError


def aligned_planes(sizes: list[tuple[int, int]], scale: int, seed: int = 0) -> Planes:
    """Originals that are their low-resolution image with every pixel repeated."""
    rng = np.random.default_rng(seed)
    lows = [rng.integers(0, 256, size, np.uint8) for size in sizes]
    return [(low, low.repeat(scale, 0).repeat(scale, 1)) for low in lows]


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 4), st.integers(1, 9), st.integers(0, 6), st.integers(0, 6), st.integers(0, 99)
)
def test_crops_stay_aligned(scale: int, patch: int, tall: int, wide: int, seed: int) -> None:
    planes = aligned_planes([(patch + tall, patch + wide), (patch + wide, patch)], scale, seed)
    lr, hr = sample_patches(planes, scale, patch, 6, np.random.default_rng(seed))
    assert lr.dtype == hr.dtype == np.uint8
    assert lr.shape == (6, patch, patch, 1)
    assert hr.shape == (6, patch * scale, patch * scale, 1)
    np.testing.assert_array_equal(hr, lr.repeat(scale, 1).repeat(scale, 2))


def test_every_position_is_drawn_in_all_eight_orientations() -> None:
    planes = aligned_planes([(4, 5)], 2)
    low = planes[0][0]
    expected = set()
    for y in range(2):
        for x in range(3):
            crop = low[y : y + 3, x : x + 3]
            for turns in range(4):
                turned = np.rot90(crop, turns)
                expected |= {turned.tobytes(), turned[:, ::-1].tobytes()}
    assert len(expected) == 48
    lr, _ = sample_patches(planes, 2, 3, 3000, np.random.default_rng(0))
    found, counts = np.unique([patch.tobytes() for patch in lr], return_counts=True)
    # numpy drops trailing zero bytes of the strings alike on both sides.
    assert set(found) == set(np.array(sorted(expected)))
    assert counts.min() > 3000 / 48 / 2, "all are about as likely"


def test_images_are_drawn_in_proportion_to_their_area() -> None:
    planes = [
        (np.full(size, value, np.uint8), np.full((2 * size[0], 2 * size[1]), value, np.uint8))
        for value, size in enumerate([(10, 10), (30, 10), (5, 100), (20, 30)])
    ]
    lr, _ = sample_patches(planes, 2, 8, 20_000, np.random.default_rng(0))
    shares = np.bincount(lr[:, 0, 0, 0], minlength=4) / len(lr)
    # The third is lower than a patch.
    np.testing.assert_allclose(shares, [0.1, 0.3, 0, 0.6], atol=0.02)


def test_a_seed_reproduces_the_draw() -> None:
    planes = aligned_planes([(40, 50), (30, 20)], 2)
    first = sample_patches(planes, 2, 16, 8, np.random.default_rng(5))
    again = sample_patches(planes, 2, 16, 8, np.random.default_rng(5))
    other = sample_patches(planes, 2, 16, 8, np.random.default_rng(6))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[0] != other[0]).any()


@pytest.mark.parametrize("planes", [[], aligned_planes([(7, 40)], 2)])
def test_patches_larger_than_every_image_are_refused(planes: Planes) -> None:
    with pytest.raises(UserError, match="smaller patches"):
        sample_patches(planes, 2, 8, 1, np.random.default_rng(0))


# --- planes --------------------------------------------------------------------------------------


@pytest.fixture
def pairs(tmp_path: Path) -> list[Pair]:
    rng = np.random.default_rng(0)
    for name, shape in (("colour", (21, 31, 3)), ("gray", (20, 30))):
        pixels = rng.integers(0, 256, shape, np.uint8)
        PillowImage.fromarray(pixels).save(tmp_path / f"{name}.png")
    return [Pair(name, tmp_path / f"{name}.png", None) for name in ("colour", "gray")]


def test_luminance_planes(pairs: list[Pair]) -> None:
    planes = load_planes(pairs, 2, "luminance")
    assert len(planes) == 2
    for pair, (lr, hr) in zip(pairs, planes, strict=True):
        low, high = load_pair(pair, 2)
        np.testing.assert_array_equal(lr, luminance(low))
        np.testing.assert_array_equal(hr, luminance(high))
        assert lr.flags.c_contiguous
        assert hr.flags.c_contiguous


def test_each_channel_becomes_a_plane(pairs: list[Pair]) -> None:
    planes = load_planes(pairs, 2, "rgb")
    low, high = load_pair(pairs[0], 2)
    assert len(planes) == 4
    for channel in range(3):
        np.testing.assert_array_equal(planes[channel][0], low[..., channel])
        np.testing.assert_array_equal(planes[channel][1], high[..., channel])
    np.testing.assert_array_equal(planes[3][1], load_pair(pairs[1], 2)[1])


def test_unknown_colour_modes_are_refused(pairs: list[Pair]) -> None:
    with pytest.raises(UserError, match="luminance, rgb"):
        load_planes(pairs, 2, "lab")


def test_a_damaged_file_is_named(pairs: list[Pair]) -> None:
    pairs[1].hr.write_bytes(pairs[1].hr.read_bytes()[:100])
    with pytest.raises(UserError, match=r"gray\.png"):
        load_planes(pairs, 2)


def test_hard_candidates_are_kept_more_often() -> None:
    """An original that is its image with pixels repeated is easy; noise of 30 steps is hard."""
    rng = np.random.default_rng(0)
    low = rng.integers(30, 200, (40, 40), np.uint8)
    easy = low.repeat(2, 0).repeat(2, 1)
    noise = np.where(rng.random(easy.shape) < 0.5, 30, -30)
    hard = (easy.astype(int) + noise).astype(np.uint8)
    planes = [(low, easy), (low, hard)]

    def share(candidates: int) -> float:
        draw = np.random.default_rng(1)
        lr, hr = sample_patches(planes, 2, 8, 400, draw, candidates)
        return float(
            np.mean([np.any(h != x.repeat(2, 0).repeat(2, 1)) for x, h in zip(lr, hr, strict=True)])
        )

    assert share(1) == pytest.approx(0.5, abs=0.1)
    assert share(2) > 0.9  # chances are 30 to 1, and half of 800 are to be had


def test_kept_candidates_stay_aligned() -> None:
    planes = aligned_planes([(20, 30)], 2)
    lr, hr = sample_patches(planes, 2, 5, 7, np.random.default_rng(0), 3)
    assert lr.shape == (7, 5, 5, 1)
    np.testing.assert_array_equal(hr, lr.repeat(2, 1).repeat(2, 2))
