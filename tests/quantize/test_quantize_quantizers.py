"""Fake quantization against TensorFlow's own and against the published gradient."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sr.quantize.quantizers import ChannelWeights, LearnedRange, Slopes

ranges = st.tuples(st.floats(-4, -0.01), st.floats(0.01, 4))


@given(ranges, st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_training_rounds_as_the_converters_fake_quantization(limits, seed):
    low, high = limits
    x = np.random.default_rng(seed).uniform(1.5 * low, 1.5 * high, 500).astype(np.float32)
    weights = {"min": tf.Variable(low), "max": tf.Variable(high)}
    trained = LearnedRange()(tf.constant(x), True, weights).numpy()
    expected = tf.quantization.fake_quant_with_min_max_vars(x, low, high).numpy()
    step = (high - low) / 255
    # Ties, and values at the edge of a step, may fall to either side in float32.
    different = np.abs(trained - expected) > 1e-4 * step
    assert np.all(np.abs(trained - expected) <= 1.01 * step)
    assert different.mean() < 0.01


def test_gradient_of_the_step_size_is_that_of_lsq():
    """Esser et al. 2020, equation 3: round(v) - v inside, the clipped level outside."""
    low, high = -1.0, 1.55
    step = (high - low) / 255
    zero_point = round(-low / step)
    x = tf.constant([0.0333, -0.417, 3.0, -2.0])
    weights = {"min": tf.Variable(low), "max": tf.Variable(high)}
    for index, value in enumerate(x.numpy()):
        with tf.GradientTape() as tape:
            y = LearnedRange()(x, True, weights)[index]
        by_low, by_high = tape.gradient(y, [weights["min"], weights["max"]])
        level = value / step
        inside = -zero_point <= level <= 255 - zero_point
        clipped = np.clip(level, -zero_point, 255 - zero_point)
        expected = np.round(level) - level if inside else clipped
        assert float(by_high) == pytest.approx(expected / 255, abs=1e-4)
        assert float(by_low) == pytest.approx(-expected / 255, abs=1e-4)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_weights_are_rounded_per_channel_symmetrically(seed):
    kernel = np.random.default_rng(seed).normal(size=(3, 3, 2, 5)).astype(np.float32)
    rounded = ChannelWeights()(tf.constant(kernel), True, {}).numpy()
    step = np.abs(kernel).max(axis=(0, 1, 2)) / 127
    np.testing.assert_allclose(rounded, np.round(kernel / step) * step, atol=1e-5)


def test_slopes_are_rounded_with_one_scale():
    slopes = np.array([[[0.9, -0.013, 0.4441]]], np.float32)
    step = 0.9 / 127
    rounded = Slopes()(tf.constant(slopes), False, {}).numpy()
    np.testing.assert_allclose(rounded, np.round(slopes / step) * step, atol=1e-6)
