"""Losses against TensorFlow's and NumPy's."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from edge_sr import metrics
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


@pytest.mark.parametrize("size", [(161, 178), (201, 163)])
def test_ms_ssim_loss_is_that_of_the_metric(size):
    """With five octaves, on 8-bit values; sides that are odd in some octave are among them."""
    rng = np.random.default_rng(size[0])
    target = rng.integers(0, 256, (2, *size, 1)).astype(np.uint8)
    output = np.clip(target + rng.normal(0, 40, target.shape), 0, 255).astype(np.uint8)
    expected = [
        1 - metrics.ms_ssim(*(each[..., 0] for each in pair))
        for pair in zip(target, output, strict=True)
    ]
    found = losses.ms_ssim_loss(target.astype(np.float32) / 255, output.astype(np.float32) / 255)
    np.testing.assert_allclose(np.asarray(found), expected, atol=3e-5)  # float32


def test_small_patches_have_fewer_octaves():
    """Against TensorFlow's, with the weights of three octaves at the sum of all five."""
    rng = np.random.default_rng(2)
    target = rng.random((3, 64, 56, 3), dtype=np.float32)
    output = np.clip(target + rng.normal(0, 0.2, target.shape), 0, 1).astype(np.float32)
    weights = np.array([0.0448, 0.2856, 0.3001])
    weights *= 1.0001 / weights.sum()
    expected = tf.image.ssim_multiscale(target, output, 1.0, power_factors=weights)
    found = losses.ms_ssim_loss(target, output)
    np.testing.assert_allclose(np.asarray(found), 1 - expected.numpy(), atol=3e-6)


def test_distortion_is_that_of_each_image():
    rng = np.random.default_rng(6)
    target, output = rng.random((2, 2, 40, 32, 3), dtype=np.float32)
    border = losses.Border(4, 0.3)
    terms = {"mae": 0.1, "mse": 0.5, "luma": 0.4, "ms_ssim": 0.2}
    found = losses.distortion(terms, border)(target, output)
    pairs = [(target[i : i + 1], output[i : i + 1]) for i in (0, 1)]
    expected = [float(losses.weighted_sum(terms, border)(*pair)) for pair in pairs]
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-5)
