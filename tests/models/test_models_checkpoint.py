"""Checkpoints: round trip, and every way in which a file can be wrong."""

import json
import pickle

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from edge_sr.errors import UserError
from edge_sr.models import checkpoint, registry
from edge_sr.models.checkpoint import Checkpoint
from edge_sr.models.reparam import fold


@pytest.fixture(scope="module")
def network() -> Checkpoint:
    spec = registry.get("tinypssr")
    keras.utils.set_random_seed(1)
    weights = checkpoint.weights_of(spec.build(spec.config(2), keras))
    return Checkpoint(spec, spec.config(2), weights, {"seed": 1, "source": "a test"})


def test_a_checkpoint_survives_writing_and_reading(network, tmp_path):
    path = tmp_path / "new" / "a.safetensors"
    checkpoint.write(path, network)
    back = checkpoint.read(path)
    assert (back.spec, back.config, back.notes) == (network.spec, network.config, network.notes)
    assert back.weights.keys() == network.weights.keys()
    for name, array in network.weights.items():
        np.testing.assert_array_equal(back.weights[name], array)
    assert [p.name for p in path.parent.iterdir()] == ["a.safetensors"]


def test_equal_checkpoints_have_equal_bytes(network, tmp_path):
    for name in ("a", "b"):
        checkpoint.write(tmp_path / name, network)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_keras_model_of_a_checkpoint_computes(network, tmp_path):
    checkpoint.write(tmp_path / "a.safetensors", network)
    model = checkpoint.load_model(tmp_path / "a.safetensors")
    assert tuple(model(np.zeros((1, 4, 4, 1), np.float32)).shape) == (1, 8, 8, 1)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(network, tmp_path, value):
    weights = {name: array.copy() for name, array in network.weights.items()}
    weights["stage1_conv1/bias"][3] = value
    path = tmp_path / "nan.safetensors"
    checkpoint.write(path, Checkpoint(network.spec, network.config, weights, {}))
    with pytest.raises(UserError, match="stage1_conv1/bias has values that are not finite"):
        checkpoint.read(path)


def test_another_model_or_scale_is_refused(network, tmp_path):
    path = tmp_path / "a.safetensors"
    checkpoint.write(path, network)
    with pytest.raises(UserError, match="of tinypssr x2, not of tinypssr-anchor x2"):
        checkpoint.read_for(path, "tinypssr-anchor", 2)
    with pytest.raises(UserError, match="of tinypssr x2, not of tinypssr x4"):
        checkpoint.read_for(path, "tinypssr", 4)


def test_weights_of_another_network_are_refused(network):
    spec = registry.get("tinypssr")
    model = spec.build(spec.config(4), keras)
    with pytest.raises(UserError, match="it lacks stage1_prelu4/alpha"):
        checkpoint.assign(model, network.weights)
    wrong = dict(network.weights)
    wrong["stage1_conv1/kernel"] = np.zeros((3, 3, 1, 16), np.float32)
    with pytest.raises(UserError, match=r"but needs \(5, 5, 1, 16\)"):
        checkpoint.assign(spec.build(spec.config(2), keras), wrong)


@pytest.mark.parametrize("config", [{"scale": [2]}, {"scale": 2.0}, {"expand": "x", "scale": 2}])
def test_configs_of_another_kind_are_refused(network, tmp_path, config):
    path = tmp_path / "odd.safetensors"
    content = {"model": "tinypssr", "config": config, "notes": {}}
    save_file(dict(network.weights), path, metadata={checkpoint.FORMAT: json.dumps(content)})
    with pytest.raises(UserError, match="must be a whole number"):
        checkpoint.read(path)


@pytest.mark.parametrize("narrow", [None, (3, 16), (4, 2, 16), ()])
def test_factors_that_do_not_fit_are_refused(network, tmp_path, narrow):
    weights = dict(network.weights)
    del weights["stage1_conv1/kernel"]
    weights["stage1_conv1/wide"] = np.zeros((5, 5, 1, 4), np.float32)
    if narrow is not None:
        weights["stage1_conv1/narrow"] = np.zeros(narrow, np.float32)
    path = tmp_path / "factors.safetensors"
    checkpoint.write(path, Checkpoint(network.spec, network.config, weights, {}))
    with pytest.raises(UserError, match="no stage1_conv1/narrow that fits"):
        checkpoint.load_model(path)


def test_a_checkpoint_that_is_not_folded_is_folded_when_it_is_used(tmp_path):
    spec = registry.get("wdsr-b")
    config = spec.config(2, blocks=1, norm="weight", original=1)
    model = spec.build(config, keras)
    path = tmp_path / "unfolded.safetensors"
    checkpoint.write(path, Checkpoint(spec, config, checkpoint.weights_of(model), {}))
    image = np.random.default_rng(0).random((1, 6, 5, 3), dtype=np.float32)
    found = np.asarray(checkpoint.load_model(path)(image))
    np.testing.assert_allclose(found, np.asarray(model(image)), atol=3e-6)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("head/gain", None),
        ("head/gain", (3,)),
        ("head/bias", (1, 32)),
        ("head/grey", (4,)),
        ("head/direction", (3, 3, 96)),
    ],
)
def test_parts_of_a_normalized_kernel_that_do_not_fit_are_refused(name, change):
    spec = registry.get("wdsr-b")
    model = spec.build(spec.config(2, blocks=1, norm="weight", original=1), keras)
    weights = checkpoint.weights_of(model)
    if change is None:
        del weights[name]
    else:
        weights[name] = np.zeros(change, np.float32)
    with pytest.raises(UserError, match="the parts of head do not fit each other"):
        fold(weights)


@pytest.mark.parametrize(("key", "shape"), [("strided_5", (9, 9, 1, 4)), ("strided_2", (9, 4))])
def test_variables_of_a_transposed_convolution_that_do_not_fit_are_refused(key, shape):
    weights = {f"last/{key}": np.zeros(shape, np.float32), "last/bias": np.zeros(1, np.float32)}
    with pytest.raises(UserError, match=f"last/{key} is not a transposed convolution"):
        fold(weights)


def test_an_int8_checkpoint_is_not_loaded_as_a_float_model(network, tmp_path):
    weights = {f"quant_{name}": array for name, array in network.weights.items()}
    path = tmp_path / "int8.safetensors"
    checkpoint.write(path, Checkpoint(network.spec, network.config, weights, {}))
    with pytest.raises(UserError, match=r"int8.safetensors is an int8 checkpoint; a float"):
        checkpoint.load_model(path)


@pytest.mark.parametrize("content", [b"", b"\x08", b"PK\x03\x04" * 9, b"\xff" * 64])
def test_files_that_are_not_checkpoints_are_refused(tmp_path, content):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a checkpoint"):
        checkpoint.read(path)


def test_a_pickle_is_refused_and_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    path = tmp_path / "bad.safetensors"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(UserError, match="not a checkpoint"):
        checkpoint.read(path)
    assert not (tmp_path / "ran").exists()


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        checkpoint.read(tmp_path / "none.safetensors")


@given(data=st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_damaged_files_are_refused_in_a_sentence_or_read(network, tmp_path, data):
    path = tmp_path / "damaged.safetensors"
    checkpoint.write(path, network)
    content = bytearray(path.read_bytes())
    length = data.draw(st.integers(0, len(content)))
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, 1200))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[:length])
    try:
        checkpoint.read(path)
    except UserError:
        pass
    else:
        assert length == len(content)
