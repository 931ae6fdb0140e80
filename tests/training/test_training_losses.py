"""Losses against TensorFlow's and NumPy's."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from edge_sr.training import losses


@pytest.fixture
def images():
    rng = np.random.default_rng(4)
    target = rng.random((3, 24, 31, 1), dtype=np.float32)
    noise = rng.normal(0, 0.05, target.shape).astype(np.float32)
    return target, np.clip(target + noise, 0, 1)


def test_ssim_loss_equals_tensorflows(images):
    target, output = images
    expected = 1 - tf.reduce_mean(tf.image.ssim(target, output, max_val=1.0)).numpy()
    assert float(losses.ssim_loss(target, output)) == pytest.approx(expected, abs=2e-6)


def test_mae_and_mse_equal_numpys(images):
    target, output = images
    difference = target.astype(np.float64) - output
    assert float(losses.mae(target, output)) == pytest.approx(np.abs(difference).mean(), rel=1e-5)
    assert float(losses.mse(target, output)) == pytest.approx((difference**2).mean(), rel=1e-5)


def test_the_loss_is_the_weighted_sum_of_its_terms(images):
    target, output = images
    total = losses.weighted_sum({"mae": 0.25, "ssim": 2.0})(target, output)
    expected = 0.25 * losses.mae(target, output) + 2 * losses.ssim_loss(target, output)
    assert float(total) == pytest.approx(float(expected), rel=1e-6)


@given(st.integers(0, 5), st.floats(0, 2), st.integers(0, 99))
def test_border_pixels_have_the_given_weight(width, weight, seed):
    rng = np.random.default_rng(seed)
    target, output = rng.random((2, 2, 14, 12, 1), dtype=np.float32)
    error = np.abs(target.astype(np.float64) - output)
    y, x = np.mgrid[:14, :12]
    inside = (y >= width) & (y < 14 - width) & (x >= width) & (x < 12 - width)
    weights = np.where(inside, 1.0, weight)[None, :, :, None]
    expected = np.average(error, weights=np.broadcast_to(weights, error.shape))
    found = losses.weighted_sum({"mae": 1.0}, losses.Border(width, weight))(target, output)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_ssim_ignores_the_border(images):
    target, output = images
    spoiled = output.copy()
    spoiled[:, :3], spoiled[:, :, -3:] = 0, 1
    total = losses.weighted_sum({"ssim": 1.0}, losses.Border(3, 0.5))(target, spoiled)
    inside = np.s_[:, 3:-3, 3:-3]
    expected = 1 - tf.reduce_mean(tf.image.ssim(target[inside], output[inside], max_val=1.0))
    assert float(total) == pytest.approx(float(expected), abs=2e-6)
