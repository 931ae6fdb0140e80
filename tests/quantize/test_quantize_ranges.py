"""Equalization changes nothing in float; corrected biases restore the mean."""

import dataclasses

import numpy as np
import pytest
import tf_keras

from edge_sr.models import checkpoint as checkpoints
from edge_sr.quantize import network
from edge_sr.quantize.bias import correct
from edge_sr.quantize.equalize import equalize
from edge_sr.quantize.gain import fit_gain
from edge_sr.zoo.catalog import entries

ENTRIES = [
    entry for entry in entries("super-resolution") if entry.architecture.startswith("tinypssr")
]
IDS = [entry.id for entry in ENTRIES]


@pytest.fixture(scope="module")
def patches():
    rng = np.random.default_rng(0)
    smooth = rng.random((16, 8, 8, 1)).repeat(3, 1).repeat(3, 2)
    return (255 * smooth).astype(np.uint8)


def outputs_of(model, patches, kind):
    layers = {la.name: la.output for la in model.layers if type(la).__name__ == kind}
    probe = tf_keras.Model(model.input, layers)
    return {name: out.numpy() for name, out in probe(patches.astype(np.float32) / 255).items()}


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_an_equalized_network_computes_the_same(entry, patches):
    before = checkpoints.read(entry.checkpoint("float32"))
    after = equalize(before, patches)
    image = patches[:2].astype(np.float32) / 255
    results = [np.asarray(checkpoints.build_model(c, tf_keras)(image)) for c in (before, after)]
    np.testing.assert_allclose(results[0], results[1], atol=2e-5)
    assert any(not np.array_equal(before.weights[n], after.weights[n]) for n in before.weights)


@pytest.mark.parametrize("entry", ENTRIES[:1], ids=IDS[:1])
def test_the_smallest_channel_gets_more_of_the_range(entry, patches):
    """A channel made a hundred times smaller than it was is brought back."""
    network_ = checkpoints.read(entry.checkpoint("float32"))
    weights = {name: array.copy() for name, array in network_.weights.items()}
    weights["stage1_conv1/kernel"][..., 3] /= 100
    weights["stage1_conv1/bias"][3] /= 100
    weights["stage1_conv2/kernel"][:, :, 3] *= 100
    shrunk = dataclasses.replace(network_, weights=weights)

    def least_share(checkpoint):
        model = checkpoints.build_model(checkpoint, tf_keras)
        reach = np.abs(outputs_of(model, patches, "PReLU")["stage1_prelu1"]).max(axis=(0, 1, 2))
        return reach.min() / reach.max()

    assert least_share(equalize(shrunk, patches)) > 5 * least_share(shrunk)


def test_corrected_biases_restore_the_mean_of_the_output(patches):
    """Ranges that clip shift the mean: the corrected network is nearer to the unrounded one."""
    entry = next(entry for entry in ENTRIES if entry.id == "tinypssr-x2")
    quantized = checkpoints.read(entry.checkpoint("int8"))
    weights = dict(quantized.weights)
    for name in weights:
        if "conv" in name and name.endswith("/output_max"):
            weights[name] = weights[name] * np.float32(0.8)
    clipped = dataclasses.replace(quantized, weights=weights)
    image = patches.astype(np.float32) / 255
    expected = float(np.mean(network.unrounded(clipped)(image)))
    errors = [
        abs(float(np.mean(network.fake_quantized(c)(image, training=False))) - expected)
        for c in (clipped, correct(clipped, patches))
    ]
    assert errors[1] < errors[0] / 2


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_a_fitted_gain_undoes_a_wrong_one_and_changes_no_integer(entry):
    """Targets are the network's own output: the fit must restore its gain."""
    quantized = checkpoints.read(entry.checkpoint("int8"))
    rng = np.random.default_rng(4)
    low = rng.integers(20, 235, (16, 12, 12, 1)).repeat(3, 1).repeat(3, 2).astype(np.uint8)
    expected = network.fake_quantized(quantized)(
        low.astype(np.float32) / 255, training=False
    ).numpy()
    high = np.rint(expected * 255).astype(np.uint8)
    last = max(name for name in quantized.weights if "conv4/kernel" in name)
    filters = quantized.weights[last].shape[-1]
    factors = np.linspace(0.97, 1.04, filters, dtype=np.float32)
    wrong = dataclasses.replace(
        quantized, weights={**quantized.weights, last: quantized.weights[last] * factors}
    )

    fitted = fit_gain(wrong, low, high)

    def levels(checkpoint):
        kernel = checkpoint.weights[last]
        return kernel * 127 / np.abs(kernel).max(axis=(0, 1, 2))

    np.testing.assert_allclose(levels(fitted), levels(wrong), atol=1e-3)
    ratio = (fitted.weights[last] / quantized.weights[last]).reshape(-1, filters)
    np.testing.assert_allclose(ratio, 1, atol=0.01)


def test_a_dead_network_keeps_its_gain(patches):
    quantized = checkpoints.read(ENTRIES[0].checkpoint("int8"))
    last = max(name for name in quantized.weights if "conv4/kernel" in name)
    bias = last.replace("kernel", "bias")
    weights = {
        **quantized.weights,
        last: quantized.weights[last] * 0,
        bias: quantized.weights[bias] * 0 - 1,
    }
    dead = dataclasses.replace(quantized, weights=weights)
    fitted = fit_gain(dead, patches, patches.repeat(2, axis=1).repeat(2, axis=2))
    for name, array in dead.weights.items():
        np.testing.assert_array_equal(fitted.weights[name], array)
