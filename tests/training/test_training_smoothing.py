"""The smooth PReLU: its values, and that training ends with PReLU."""

import keras
import numpy as np
import pytest

from edge_sr.errors import UserError
from edge_sr.models import registry
from edge_sr.training import recipe as recipes
from edge_sr.training import smoothing


def test_a_smooth_prelu_equals_prelu_far_from_zero():
    x = keras.layers.Input((None, None, 3))
    model = keras.Model(x, keras.layers.PReLU(shared_axes=[1, 2], name="p")(x))
    alpha = np.array([-0.3, 0.25, 1.1], np.float32)
    model.layers[-1].alpha.assign(alpha.reshape(1, 1, 3))
    values = np.linspace(-4, 4, 81, dtype=np.float64)
    image = np.tile(values.reshape(1, -1, 1, 1), (1, 1, 1, 3)).astype(np.float32)
    found = np.asarray(smoothing.smooth(keras, model, 8.0)(image))[0, :, 0]
    gate = 1 / (1 + np.exp(-8 * values[:, None]))
    expected = values[:, None] * (alpha + (1 - alpha) * gate)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    far = np.abs(values) > 2
    sharp = np.where(values[:, None] > 0, values[:, None], values[:, None] * alpha)
    np.testing.assert_allclose(found[far], sharp[far], atol=1e-5)


def test_the_smooth_variant_shares_the_weights():
    spec = registry.get("tinypssr-anchor")
    model = spec.build(spec.config(2), keras)
    variant = smoothing.smooth(keras, model, 8.0)
    own = {id(variable) for variable in model.trainable_variables}
    assert {id(variable) for variable in variant.trainable_variables} == own
    image = np.random.default_rng(0).random((1, 12, 10, 1), np.float32)
    assert np.abs(np.asarray(model(image)) - np.asarray(variant(image))).max() > 1e-4


def test_smoothing_stops_when_rounding_starts():
    values = {
        "name": "a",
        "source": "b",
        "smooth": 8.0,
        "stop": {"epochs": 4},
        "phases": [{"start": 0.5, "rounded": True}],
    }
    recipe = recipes.from_dict(values)
    assert [recipe.at(epoch).smooth for epoch in range(4)] == [8.0, 8.0, 0.0, 0.0]
    with pytest.raises(UserError, match="needs a phase that ends with PReLU"):
        recipes.from_dict({**values, "phases": []})
