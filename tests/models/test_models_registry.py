"""Every registered model: published counts, shapes, both Keras namespaces."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tf_keras

from edge_sr.errors import UserError
from edge_sr.models import checkpoint, registry, tinycompress
from edge_sr.models.registry import ModelConfig

ALL = [(name, scale) for name in registry.names() for scale in registry.get(name).scales]

SUPER_RESOLUTION = [(n, s) for n, s in ALL if registry.get(n).kind == "super-resolution"]

# As printed in the slides' table "Parameters per layer and activation function of TinyPSSR".
SLIDES = [416, 16, 68, 4, 808, 8, 36]


def _image(name):
    channels = 1 if registry.get(name).kind == "super-resolution" else 3
    return np.random.default_rng(1).random((1, 16, 12, channels), dtype=np.float32)


@pytest.mark.parametrize(("name", "scale"), ALL)
@pytest.mark.parametrize("namespace", [keras, tf_keras], ids=["keras", "tf_keras"])
def test_layers_have_the_published_parameters(name, scale, namespace):
    spec = registry.get(name)
    model = spec.build(spec.config(scale), namespace)
    counts = [layer.count_params() for layer in model.layers if layer.count_params()]
    assert counts == [count for _, count in spec.published[scale] if count]
    assert model.count_params() == sum(counts)


@pytest.mark.parametrize("name", ["tinypssr", "tinypssr-anchor"])
def test_tinypssr_has_the_parameters_of_the_slides(name):
    spec = registry.get(name)
    x2 = [count for _, count in spec.published[2] if count]
    x4 = [count for _, count in spec.published[4] if count]
    assert x2 == SLIDES
    assert sum(x2) == 1356
    assert x4 == [*SLIDES, 4, *SLIDES]
    assert sum(x4) == 2716


@pytest.mark.parametrize(("name", "scale"), SUPER_RESOLUTION)
@pytest.mark.parametrize("size", [(1, 1), (3, 8), (17, 5)])
def test_output_grows_by_the_scale(name, scale, size):
    spec = registry.get(name)
    model = spec.build(spec.config(scale), keras)
    height, width = size
    output = model(np.zeros((2, height, width, 1), np.float32))
    assert tuple(output.shape) == (2, height * scale, width * scale, 1)


@pytest.mark.parametrize(("name", "scale"), ALL)
def test_both_namespaces_compute_the_same(name, scale):
    spec = registry.get(name)
    keras.utils.set_random_seed(3)
    one = spec.build(spec.config(scale), keras)
    other = spec.build(spec.config(scale), tf_keras)
    checkpoint.assign(other, checkpoint.weights_of(one))
    image = _image(name)
    np.testing.assert_allclose(np.asarray(one(image)), np.asarray(other(image)), atol=1e-6)


@pytest.mark.parametrize(("name", "scale"), ALL)
def test_config_survives_json(name, scale):
    spec = registry.get(name)
    config = spec.config(scale, expand=16)
    assert spec.config_from_dict(json.loads(json.dumps(registry.config_dict(config)))) == config


@pytest.mark.parametrize("rate", [4, 16, 64, 256])
def test_tinycompress_has_the_shapes_and_parameters_of_the_slides(rate):
    image = np.random.default_rng(0).random((1, 32, 48, 3), dtype=np.float32)
    side = round(rate**0.5)
    counts = {}
    for name, given, due in (
        ("tinycompress-encoder", image, (1, 32 // side, 48 // side, 3)),
        ("tinycompress-decoder", image[:, :2, :3], (1, 2 * side, 3 * side, 3)),
        ("tinycompress", image, image.shape),
    ):
        spec = registry.get(name)
        model = spec.build(spec.config(1, rate=rate), keras)
        counts[name] = model.count_params()
        output = np.asarray(model(given))
        assert output.shape == due
        assert output.min() >= 0
        assert output.max() <= 1
    assert counts == {
        "tinycompress-encoder": 5427,
        "tinycompress-decoder": 1071,
        "tinycompress": 6498,
    }


def test_parts_of_a_codec_make_the_whole():
    spec = registry.get("tinycompress")
    keras.utils.set_random_seed(1)
    whole = spec.build(spec.config(1, rate=16), keras)
    x = image = _image("tinycompress")
    for part in tinycompress.PARTS:
        half = registry.get(f"tinycompress-{part}")
        model = half.build(half.config(1, rate=16), keras)
        checkpoint.assign(model, tinycompress.part_of(checkpoint.weights_of(whole), part))
        x = model(x)
    np.testing.assert_allclose(np.asarray(x), np.asarray(whole(image)), atol=1e-6)


@pytest.mark.parametrize("scale", [2, 4])
def test_anchored_network_without_weights_repeats_pixels(scale):
    spec = registry.get("tinypssr-anchor")
    model = spec.build(spec.config(scale), keras)
    zeros = {key: np.zeros_like(array) for key, array in checkpoint.weights_of(model).items()}
    checkpoint.assign(model, zeros)
    image = np.random.default_rng(0).random((1, 6, 7, 1), dtype=np.float32)
    expected = image.repeat(scale, axis=1).repeat(scale, axis=2)
    np.testing.assert_array_equal(np.asarray(model(image)), expected)


@pytest.mark.parametrize(("name", "scale"), ALL)
@pytest.mark.parametrize("branches", [0, 1])
def test_folding_computes_the_same(name, scale, branches):
    spec = registry.get(name)
    keras.utils.set_random_seed(5)
    wide = spec.build(spec.config(scale, expand=24, branches=branches), keras)
    rng = np.random.default_rng(2)
    for variable in wide.trainable_variables:
        if variable.name in ("skip", "edges"):  # zero at first
            variable.assign(rng.normal(0, 0.1, variable.shape))
    plain = spec.build(spec.config(scale), keras)
    checkpoint.assign(plain, checkpoint.fold(checkpoint.weights_of(wide)))
    image = _image(name)
    output, expected = np.asarray(wide(image)), np.asarray(plain(image))
    np.testing.assert_allclose(output, expected, atol=4e-6 * max(expected.max(), 1))


@pytest.mark.parametrize("expand", [0, 8])
def test_a_plain_network_starts_with_the_image_in_sight(expand):
    keras.utils.set_random_seed(0)
    spec = registry.get("tinypssr")
    model = spec.build(spec.config(2, expand=expand), keras)
    image = np.random.default_rng(1).random((1, 24, 24, 1), dtype=np.float32)
    nearest = image.repeat(2, axis=1).repeat(2, axis=2)
    output = np.asarray(model(image))
    for i in (0, 1):
        for j in (0, 1):
            pair = output[:, i::2, j::2].ravel(), nearest[:, i::2, j::2].ravel()
            assert np.corrcoef(*pair)[0, 1] > 0.5


def test_a_name_is_registered_once():
    register = registry.register("tinypssr", ModelConfig, "nowhere", {2: ()})
    with pytest.raises(ValueError, match="registered already"):
        register(lambda config, namespace: None)


def test_unknown_model_scale_and_option_are_refused():
    with pytest.raises(UserError, match="there are tinycompress, "):
        registry.get("tinypsr")
    with pytest.raises(UserError, match="no scale 3; it has 2, 4"):
        registry.get("tinypssr").config(3)
    with pytest.raises(UserError, match="no rate 32; it has 4, 16, 64, 256"):
        registry.get("tinycompress").config(1, rate=32)
    with pytest.raises(UserError, match="no option depth"):
        registry.get("tinypssr").config(2, depth=4)


def test_every_model_file_is_in_the_registry():
    folder = Path(registry.__file__).parent
    apart = {"__init__", "registry", "layers", "checkpoint"}
    files = {path.stem for path in folder.glob("*.py")} - apart
    builders = {registry.get(name).build.__module__.rsplit(".", 1)[1] for name in registry.names()}
    assert files == builders


@pytest.mark.parametrize("activation", ["gcu+prelu", "gcu", "prelu", "lrelu-0.50", "relu", "none"])
def test_other_activations_of_tinypssr(activation):
    spec = registry.get("tinypssr")
    config = spec.config_from_dict({"scale": 2, "activation": activation})
    model = spec.build(config, keras)
    assert model.count_params() == (1356 if "prelu" in activation else 1356 - 16 - 4 - 8)
    assert spec.config_from_dict(registry.config_dict(config)) == config
    if "gcu" not in activation:
        return
    x = np.linspace(-4, 4, 9, dtype=np.float32).reshape(1, 3, 3, 1).repeat(16, axis=-1)
    layer = model.get_layer("stage1_act1")
    np.testing.assert_allclose(np.asarray(layer(x)), x * np.cos(x), rtol=1e-5, atol=1e-6)
    with pytest.raises(UserError, match="exist in float only"):
        spec.build(config, tf_keras)


def test_wrong_activations_of_tinypssr():
    spec = registry.get("tinypssr")
    with pytest.raises(UserError, match="activation must be one of prelu, relu"):
        spec.config(2, activation="swish")
    with pytest.raises(UserError, match="activation must be a text, it is 3"):
        spec.config_from_dict({"scale": 2, "activation": 3})
