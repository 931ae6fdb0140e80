"""Rounding in float training, compared with TensorFlow's fake quantization."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sr.models import registry
from edge_sr.training import rounding


@settings(max_examples=60, deadline=None)
@given(
    low=st.floats(-4, 1),
    span=st.floats(0.1, 8),
    seed=st.integers(0, 2**31),
)
def test_activations_are_rounded_like_tensorflows_fake_quantization(low, span, seed):
    values = np.random.default_rng(seed).uniform(low, low + span, (2, 7, 5, 3)).astype(np.float32)
    ends = min(values.min(), 0.0), max(values.max(), 1e-3)
    expected = tf.quantization.fake_quant_with_min_max_vars(values, *ends).numpy()

    rounded = keras.ops.convert_to_numpy(rounding.round_activations(values))

    step = (ends[1] - ends[0]) / 255
    # TensorFlow moves the ends onto the grid, and clips there: up to a step away from ours.
    inside = (expected > expected.min()) & (expected < expected.max())
    different = np.abs(rounded - expected)[inside] > step / 100
    assert different.mean() < 0.02  # ties, decided by float32's last bit
    assert np.abs(rounded - values).max() <= 0.51 * step


def test_tanh_is_rounded_to_its_int8_grid():
    """Scale 1/128 and zero point 0, as LiteRT's quantization specification demands."""
    values = np.linspace(-1, 1, 4001, dtype=np.float32)
    expected = tf.quantization.fake_quant_with_min_max_vars(values, -1.0, 127 / 128).numpy()
    rounded = keras.ops.convert_to_numpy(rounding.round_tanh(values))
    assert (np.abs(rounded - expected) > 1e-6).mean() < 0.01  # ties
    assert np.abs(rounded - expected).max() <= 1.01 / 128


def test_the_variant_of_a_smooth_network_has_tanh_on_that_grid():
    model = registry.get("espcn-tiny").build(registry.get("espcn-tiny").config(2), keras)
    variant = rounding.rounded(keras, model)
    outputs = [la.output for la in variant.layers if type(la).__name__ == "RoundedTanh"]
    image = np.random.default_rng(0).random((1, 9, 8, 1), np.float32)
    found = [keras.ops.convert_to_numpy(x) for x in keras.Model(variant.input, outputs)(image)]
    assert len(found) == 2
    for values in found:
        np.testing.assert_array_equal(values * 128, np.rint(values * 128))
        assert len(np.unique(values)) > 20


@settings(max_examples=40, deadline=None)
@given(shape=st.sampled_from([(5, 5, 1, 16), (1, 1, 16, 4), (3, 3, 2, 5)]), seed=st.integers(0, 99))
def test_kernels_are_rounded_like_tensorflows_fake_quantization(shape, seed):
    rng = np.random.default_rng(seed)
    kernel = (rng.normal(size=shape) * rng.uniform(0.01, 3, shape[-1])).astype(np.float32)
    high = np.abs(kernel).max(axis=(0, 1, 2))
    expected = tf.quantization.fake_quant_with_min_max_vars_per_channel(
        kernel, -high, high, narrow_range=True
    ).numpy()

    rounded = keras.ops.convert_to_numpy(rounding.round_kernel(kernel))

    step = high / 127
    assert (np.abs(rounded - expected) > step / 100).mean() < 0.02
    assert np.abs(rounded - expected).max() <= (1.01 * step).max()


@pytest.mark.parametrize("expand", [0, 8])
def test_a_variant_rounds_and_shares_the_weights(expand):
    config = registry.get("tinypssr-anchor").config(2, expand=expand)
    model = registry.get("tinypssr-anchor").build(config, keras)
    image = np.random.default_rng(3).random((2, 12, 10, 1), np.float32)
    before = keras.ops.convert_to_numpy(model(image))

    variant = rounding.rounded(keras, model)

    assert [id(v) for v in variant.trainable_variables] == [
        id(v) for v in model.trainable_variables
    ]
    difference = np.abs(keras.ops.convert_to_numpy(variant(image)) - before)
    assert 0 < difference.max() < 0.1
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(image)), before)
    variant.compile("sgd", loss="mse")
    variant.fit(image, np.repeat(np.repeat(image, 2, 1), 2, 2), verbose=0)
    assert np.abs(keras.ops.convert_to_numpy(model(image)) - before).max() > 0
