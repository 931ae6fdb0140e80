"""Every registered model: published counts, shapes, folding, both Keras namespaces."""

import json
import math
from pathlib import Path

import keras
import numpy as np
import pytest
import tf_keras

from edge_sr.data.degradation import bicubic_upscale
from edge_sr.errors import UserError
from edge_sr.models import cae, checkpoint, layers, registry, reparam, srcnn, tinycompress
from edge_sr.models.registry import ModelConfig, ModelSpec
from edge_sr.models.reparam.strided import plain_of_strided

ALL = [(name, scale) for name in registry.names() for scale in registry.get(name).scales]

SUPER_RESOLUTION = [(n, s) for n, s in ALL if registry.get(n).kind == "super-resolution"]

# Each network once, and those with another graph at x4.
EACH = [(n, registry.get(n).scales[0]) for n in registry.names()]
EACH += [("tinypssr", 4), ("tinypssr-anchor", 4), ("edsr", 4)]

# As printed in the slides' table "Parameters per layer and activation function of TinyPSSR".
SLIDES = [416, 16, 68, 4, 808, 8, 36]

# All parameters at x4 by blocks, as C. Price et al. (2019) print them in their rebuild of WDSR.
BY_BLOCKS = {
    "edsr": {1: 409731, 3: 557443, 5: 705155, 8: 926723},
    "wdsr-a": {1: 92304, 3: 240080, 5: 387856, 8: 609520},
    "wdsr-b": {1: 36809, 3: 73595, 5: 110381, 8: 165560},
}
# Weights of convolutions only, as the slides on TinyPSSR and Bhardwaj et al. (SESR) print them.
WEIGHTS = {("fsrcnn", 4): 12464, ("fsrcnn-s", 4): 3937, ("srcnn", 4): 57184, ("sesr", 2): 13520}
# Parameters at x2 by width, as Michelini et al. (2022) print them.
TINY = {9: 1300, 21: 2716, 27: 3424}


def _image(model):
    return np.random.default_rng(1).random((1, 16, 12, model.input_shape[-1]), dtype=np.float32)


def _convolution_macs(model) -> int:
    """Multiply-adds of the convolutions of a model of known size."""
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    return sum(
        math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:3]) for layer in convolutions
    )


def _shallow(spec: ModelSpec, scale: int, **options) -> ModelConfig:
    """The config with one block, if the network has blocks."""
    if hasattr(spec.config(scale), "blocks"):
        options["blocks"] = 1
    return spec.config(scale, **options)


@pytest.mark.parametrize(("name", "scale"), ALL)
def test_layers_have_the_published_parameters(name, scale):
    spec = registry.get(name)
    model = spec.build(spec.config(scale), keras)
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


@pytest.mark.parametrize("name", BY_BLOCKS)
def test_networks_of_blocks_have_the_published_parameters(name):
    spec = registry.get(name)
    found = {n: spec.build(spec.config(4, blocks=n), keras).count_params() for n in (1, 3)}
    found |= {8: sum(count for _, count in spec.published[4])}
    assert found == {n: BY_BLOCKS[name][n] for n in (1, 3, 8)}


@pytest.mark.parametrize(("name", "scale"), WEIGHTS)
def test_convolutions_have_the_published_weights(name, scale):
    spec = registry.get(name)
    model = spec.build(spec.config(scale, original=1), keras)
    weights = checkpoint.weights_of(model)
    kernels = [a.size for n, a in weights.items() if not n.endswith(("/bias", "/alpha"))]
    assert sum(kernels) == WEIGHTS[name, scale]


@pytest.mark.parametrize("name", ["espcn-tiny", "espcn-tiny-anchor"])
def test_tiny_espcn_has_the_published_parameters(name):
    spec = registry.get(name)
    found = {w: spec.build(spec.config(2, width=w), keras).count_params() for w in TINY}
    assert found == TINY


@pytest.mark.parametrize("scale", [0.0, 0.3, 1.0, 10.0])
@pytest.mark.parametrize("identity", [None, np.eye(4, 12)])
def test_initial_kernels_have_the_size_of_init_scale(scale, identity):
    """Glorot & Bengio 2010: uniform within sqrt(6 / (fan in + fan out))."""
    config = registry.get("espcn").config(2)
    layer = reparam.conv2d(keras, config, 12, 3, "conv", identity_init=identity, init_scale=scale)
    layer.build((None, 8, 8, 4))
    kernel = np.asarray(layer.kernel).copy()
    if identity is not None:
        kernel[1, 1] -= identity
    limit = np.sqrt(6 / (9 * 4 + 9 * 12))
    assert 0.95 * scale * limit <= np.abs(kernel).max() <= scale * limit * 1.0001


@pytest.mark.parametrize(("name", "scale"), SUPER_RESOLUTION)
def test_output_grows_by_the_scale(name, scale):
    spec = registry.get(name)
    model = spec.build(_shallow(spec, scale), keras)
    for height, width in ((1, 1), (3, 8), (17, 5)):
        output = model(np.zeros((2, height, width, spec.channels), np.float32))
        assert tuple(output.shape) == (2, height * scale, width * scale, spec.channels)


@pytest.mark.parametrize("scale", [2, 4])
def test_a_transposed_convolution_is_a_convolution_and_a_shuffle(scale):
    """Against Keras' own, to the precision of float32 sums."""
    rng = np.random.default_rng(scale)
    taps = rng.normal(size=(9, 9, 1, 6)).astype(np.float32)
    image = rng.normal(size=(1, 8, 9, 6)).astype(np.float32)
    expected = keras.layers.Conv2DTranspose(1, 9, strides=scale, padding="same", use_bias=False)
    expected.build(image.shape)
    expected.set_weights([taps])
    kernel = plain_of_strided(np, taps, scale)
    plain = keras.layers.Conv2D(scale**2, len(kernel), padding="same", use_bias=False)
    plain.build(image.shape)
    plain.set_weights([kernel])
    found = layers.depth_to_space(keras, scale, "shuffle")(plain(image))
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected(image)), atol=2e-5)


@pytest.mark.parametrize("scale", [2, 4])
def test_srcnn_enlarges_bicubically_inside_its_graph(scale):
    pixels = np.random.default_rng(scale).integers(0, 256, (20, 22)).astype(np.uint8)
    spec = registry.get("srcnn")
    model = spec.build(spec.config(scale), keras)
    enlarge = keras.Model(model.input, model.get_layer("shuffle").output)
    found = np.asarray(enlarge(pixels[np.newaxis, ..., np.newaxis].astype(np.float32)))[0, ..., 0]
    expected, border = bicubic_upscale(pixels, scale).astype(float), 2 * scale
    inside = np.s_[border:-border, border:-border]
    assert np.abs(np.clip(found, 0, 255) - expected)[inside].max() <= 0.51
    assert srcnn.bicubic_kernel(scale).sum(axis=(0, 1, 2)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("name", "scale"), EACH)
def test_both_namespaces_compute_the_same(name, scale):
    spec = registry.get(name)
    keras.utils.set_random_seed(3)
    one = spec.build(_shallow(spec, scale), keras)
    other = spec.build(_shallow(spec, scale), tf_keras)
    checkpoint.assign(other, checkpoint.weights_of(one))
    image = _image(one)
    np.testing.assert_allclose(np.asarray(one(image)), np.asarray(other(image)), atol=3e-6)


@pytest.mark.parametrize(("name", "scale"), ALL)
def test_config_survives_json(name, scale):
    spec = registry.get(name)
    config = spec.config(scale, expand=16, norm="weight")
    assert spec.config_from_dict(json.loads(json.dumps(registry.config_dict(config)))) == config


@pytest.mark.parametrize("rate", [4, 16, 64, 256])
def test_tinycompress_has_the_shapes_and_parameters_of_the_slides(rate):
    image = np.random.default_rng(0).random((1, 32, 48, 3), dtype=np.float32)
    side = round(rate**0.5)
    counts = {}
    for name, given, expected in (
        ("tinycompress-encoder", image, (1, 32 // side, 48 // side, 3)),
        ("tinycompress-decoder", image[:, :2, :3], (1, 2 * side, 3 * side, 3)),
        ("tinycompress", image, image.shape),
    ):
        spec = registry.get(name)
        model = spec.build(spec.config(1, rate=rate), keras)
        counts[name] = model.count_params()
        output = np.asarray(model(given))
        assert output.shape == expected
        assert output.min() >= 0
        assert output.max() <= 1
    assert counts == {
        "tinycompress-encoder": 5427,
        "tinycompress-decoder": 1071,
        "tinycompress": 6498,
    }


def test_encoder_and_decoder_together_compute_the_codec():
    spec = registry.get("tinycompress")
    keras.utils.set_random_seed(1)
    whole = spec.build(spec.config(1, rate=16), keras)
    x = image = _image(whole)
    for part in tinycompress.PARTS:
        half = registry.get(f"tinycompress-{part}")
        model = half.build(half.config(1, rate=16), keras)
        checkpoint.assign(model, tinycompress.part_of(checkpoint.weights_of(whole), part))
        x = model(x)
    np.testing.assert_allclose(np.asarray(x), np.asarray(whole(image)), atol=1e-6)


@pytest.mark.parametrize(
    ("channels", "printed"), [(32, 3.557e9), (16, 3.557e9 - 40.1e6), (8, 3.557e9 - 60.2e6)]
)
def test_the_compressive_autoencoder_has_the_multiply_adds_of_the_paper(channels, printed):
    """Its encoder at 224x224; fewer channels save 25 * 128 multiply-adds each at 28x28."""
    image = keras.layers.Input((224, 224, 3))
    latents = cae.encode(cae.paper(channels), keras, image)
    assert latents.shape == (None, 28, 28, channels)
    assert _convolution_macs(keras.Model(image, latents)) == pytest.approx(printed, rel=2e-4)


@pytest.mark.parametrize("channels", [32, 48])
def test_the_tiny_encoder_costs_no_more_than_that_of_tinycompress(channels):
    image = keras.layers.Input((64, 64, 3))
    tiny = keras.Model(image, cae.encode(cae.CaeConfig(channels=channels), keras, image))
    assert _convolution_macs(tiny) / 64**2 <= 4106  # as `edge-sr models` prints for rate 4


def test_encoder_and_decoder_together_compute_the_compressive_autoencoder():
    options = {"channels": 5, "narrow": 4, "wide": 6, "units": 1, "decoder_units": 2}
    keras.utils.set_random_seed(1)
    config = registry.get("cae").config(1, **options)
    whole = cae.build_cae(config, keras)
    image = np.random.default_rng(0).random((2, 16, 24, 3), dtype=np.float32)
    x, shapes = image, []
    for part in cae.PARTS:
        half = registry.get(f"cae-{part}").build(config, keras)
        checkpoint.assign(half, cae.part_of(checkpoint.weights_of(whole), part))
        x = half(x)
        shapes.append(tuple(x.shape))
    assert shapes == [(2, 2, 3, 5), (2, 16, 24, 3)]
    np.testing.assert_allclose(np.asarray(x), np.asarray(whole(image)), atol=1e-6)


@pytest.mark.parametrize("scale", [2, 4])
def test_an_anchored_network_with_zero_weights_repeats_pixels(scale):
    spec = registry.get("tinypssr-anchor")
    model = spec.build(spec.config(scale), keras)
    zeros = {key: np.zeros_like(array) for key, array in checkpoint.weights_of(model).items()}
    checkpoint.assign(model, zeros)
    image = np.random.default_rng(0).random((1, 6, 7, 1), dtype=np.float32)
    expected = image.repeat(scale, axis=1).repeat(scale, axis=2)
    np.testing.assert_array_equal(np.asarray(model(image)), expected)


@pytest.mark.parametrize(("name", "scale"), EACH)
@pytest.mark.parametrize("branches", [0, 1])
def test_folding_computes_the_same(name, scale, branches):
    spec = registry.get(name)
    keras.utils.set_random_seed(5)
    wide = spec.build(_shallow(spec, scale, expand=24, branches=branches), keras)
    rng = np.random.default_rng(2)
    for variable in wide.trainable_variables:
        if variable.name in ("skip", "edges"):  # initially zero
            variable.assign(rng.normal(0, 0.1, variable.shape))
    plain = spec.build(_shallow(spec, scale), keras)
    checkpoint.assign(plain, reparam.fold(checkpoint.weights_of(wide)))
    image = _image(wide)
    output, expected = np.asarray(wide(image)), np.asarray(plain(image))
    np.testing.assert_allclose(output, expected, atol=4e-6 * max(expected.max(), 1))


def _shifted(model, seed: int) -> None:
    """Move all variables away from their initial values; variances stay positive."""
    rng = np.random.default_rng(seed)
    for name, variable in checkpoint.variables_of(model).items():
        if not name.endswith("/grey"):
            moved = np.asarray(variable) + rng.normal(0, 0.05, variable.shape)
            variable.assign(np.abs(moved) if name.endswith("/variance") else moved)


@pytest.mark.parametrize("norm", ["none", "weight", "batch"])
@pytest.mark.parametrize("name", ["wdsr-b", "edsr", "fsrcnn-s"])
def test_the_original_form_folds_to_the_plain_network(name, norm):
    """At the border too, where a mean subtracted before padding would differ."""
    spec = registry.get(name)
    keras.utils.set_random_seed(5)
    original = spec.build(_shallow(spec, 2, norm=norm, original=1), keras)
    _shifted(original, 1)
    plain = spec.build(_shallow(spec, 2), keras)
    checkpoint.assign(plain, reparam.fold(checkpoint.weights_of(original)))
    image = _image(original)
    output, expected = np.asarray(original(image)), np.asarray(plain(image))
    np.testing.assert_allclose(output, expected, atol=4e-6 * max(expected.max(), 1))


def test_batch_normalization_computes_what_keras_does():
    """In training, and afterwards with the running averages."""
    rng = np.random.default_rng(0)
    image = rng.normal(size=(4, 6, 5, 3)).astype(np.float32)
    config = ModelConfig(norm="batch")
    ours = reparam.conv2d(keras, config, 7, 3, "ours")
    raw = keras.layers.Conv2D(7, 3, padding="same", use_bias=False)
    theirs = keras.layers.BatchNormalization(momentum=0.99, epsilon=1e-3)
    ours.build(image.shape)
    raw.build(image.shape)
    raw.set_weights([np.asarray(ours.direction)])
    for training in (True, True, False):
        found = ours(image, training=training)
        expected = theirs(raw(image), training=training)
        np.testing.assert_allclose(np.asarray(found), np.asarray(expected), atol=1e-5)


def test_weight_normalization_starts_from_the_plain_kernel_and_ignores_the_length_of_direction():
    ours = reparam.conv2d(keras, ModelConfig(norm="weight"), 5, 3, "ours")
    ours.build((None, 4, 4, 2))
    kernel, direction = np.asarray(ours.kernel), np.asarray(ours.direction)
    np.testing.assert_allclose(kernel, direction, atol=1e-6)
    ours.gain.assign(2 * ours.gain)
    ours.direction.assign(3 * ours.direction)
    np.testing.assert_allclose(np.asarray(ours.kernel), 2 * kernel, atol=1e-6)


@pytest.mark.parametrize("expand", [0, 8])
def test_a_network_without_anchor_initially_shows_the_image(expand):
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
    with pytest.raises(UserError, match="unknown model 'tinypsr'; available: cae, "):
        registry.get("tinypsr")
    with pytest.raises(UserError, match="no scale 3; it has 2, 4"):
        registry.get("tinypssr").config(3)
    with pytest.raises(UserError, match="no rate 32; it has 4, 16, 64, 256"):
        registry.get("tinycompress").config(1, rate=32)
    with pytest.raises(UserError, match="cae has 1 to 64 channels, not 65"):
        registry.get("cae").config(1, channels=65)
    with pytest.raises(UserError, match="no option depth; it has activation, scale"):
        registry.get("tinypssr").config(2, depth=4)
    with pytest.raises(UserError, match="1 to 32 blocks, not 0"):
        registry.get("wdsr-a").config(4, blocks=0)
    with pytest.raises(UserError, match="no width 10; it has 9, 21, 27"):
        registry.get("espcn-tiny").config(2, width=10)
    with pytest.raises(UserError, match="edge-SR is 1 to 8, not 9"):
        registry.get("esr").config(2, width=9)
    with pytest.raises(UserError, match="unknown norm 'layer'; available: none, weight, batch"):
        registry.get("edsr").config(2, norm="layer")


def test_every_model_file_is_in_the_registry():
    folder = Path(registry.__file__).parent
    shared = {"__init__", "registry", "checkpoint", "namespaces", "layers", "activations"}
    shared |= {"initializers", "gains"}
    files = {path.stem for path in folder.glob("*.py")} - shared
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
    with pytest.raises(UserError, match="activation must be a text, not 3"):
        spec.config_from_dict({"scale": 2, "activation": 3})
