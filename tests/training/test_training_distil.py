"""Distillation: targets blended with a teacher, and a teacher averaged over orientations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edge_sr.training.distil import distilled, ensemble, upscale_luma
from edge_sr.training.recipe import DataOptions, Recipe
from edge_sr.training.samples import load_samples


def pillow(plane):
    """Bicubic by Pillow, in float: it treats all orientations alike."""
    size = (2 * plane.shape[1], 2 * plane.shape[0])
    large = Image.fromarray(plane.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    return np.rint(np.clip(np.asarray(large), 0, 255)).astype(np.uint8)


def tilted(plane):
    """A teacher whose right and lower pixels are brighter."""
    shade = np.array([[0, 2], [4, 6]], np.uint8)
    return plane.repeat(2, 0).repeat(2, 1) + np.tile(shade, plane.shape)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_an_isotropic_teacher_equals_its_ensemble(height, width, seed):
    plane = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    difference = ensemble(pillow, plane).astype(int) - pillow(plane)
    assert np.abs(difference).max() <= 1  # ties


def test_the_ensemble_averages_out_orientation():
    plane = np.random.default_rng(0).integers(0, 200, (5, 7), np.uint8)
    np.testing.assert_array_equal(ensemble(tilted, plane), plane.repeat(2, 0).repeat(2, 1) + 3)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_an_rgb_teacher_gets_a_gray_image_of_the_luma(height, width, seed):
    plane = np.random.default_rng(seed).integers(40, 200, (height, width), np.uint8)

    def coloured(image):
        assert (np.ptp(image, axis=2) == 0).all()
        return np.dstack([pillow(image[..., channel]) for channel in range(3)])

    # Luma has 219 levels where RGB has 255: the teacher's rounding is the finer one.
    difference = upscale_luma(coloured, plane).astype(int) - np.clip(pillow(plane), 16, 235)
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_training_targets_are_blended_and_validation_images_are_not(photographs, share):
    recipe = Recipe("r", "test", data=DataOptions(patch=16, validation_images=2))
    samples = load_samples(photographs, 2, recipe)
    mixed = distilled(samples, pillow, share)
    for (low, high), (same, target) in zip(samples.train, mixed.train, strict=True):
        assert same is low
        expected = (1 - share) * high + share * pillow(low)
        assert np.abs(target - expected).max() <= 0.5
    assert mixed.validation is samples.validation
    assert (mixed.digest == samples.digest) == (share == 0.0)
