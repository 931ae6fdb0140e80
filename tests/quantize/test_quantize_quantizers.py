"""Fake quantization against TensorFlow's own and against the published gradient."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sr.engine import lut
from edge_sr.engine.rounding import Factor, multiply
from edge_sr.quantize.quantizers import ChannelWeights, LearnedRange, LogisticUnit, PReLUAlpha

ranges = st.tuples(st.floats(-4, -0.01), st.floats(0.01, 4))


@given(ranges, st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_training_rounds_like_the_converters_fake_quantization(limits, seed):
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


def test_alpha_is_rounded_with_one_scale():
    alpha = np.array([[[0.9, -0.013, 0.4441]]], np.float32)
    step = 0.9 / 127
    rounded = PReLUAlpha()(tf.constant(alpha), False, {}).numpy()
    np.testing.assert_allclose(rounded, np.round(alpha / step) * step, atol=1e-6)


@pytest.mark.parametrize(("scale", "zero_point"), [(0.0322, -23), (0.05, 0), (0.011, 40)])
def test_a_logistic_is_rounded_to_the_steps_of_the_integer_kernel(scale, zero_point):
    """TFLM's fixed-point logistic, rescaled to [0, 1], for every int8."""
    stored = np.arange(-128, 128)
    rescaled = Factor.of((1 / 256) / (1 / 255))
    table = lut.logistic(scale, zero_point).astype(int) + 128
    expected = np.array([min(255, multiply(int(value), rescaled)) for value in table])
    values = tf.sigmoid(tf.constant((stored - zero_point) * scale, tf.float32))
    quantizer = LogisticUnit()
    weights = quantizer.build(values.shape, "output", tf_keras.layers.Layer())
    found = np.rint(quantizer(values, False, weights).numpy() * 255)
    # A value half-way between two steps may go either way.
    assert np.mean(found != expected) <= 0.01
    assert np.abs(found - expected).max() <= 1
