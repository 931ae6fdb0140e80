"""From a float compressive autoencoder to integers, at each of its qualities."""

import dataclasses

import keras
import numpy as np
import pytest
import tf_keras
from safetensors.numpy import save_file

from edge_sr import graph
from edge_sr.codec import places
from edge_sr.errors import UserError
from edge_sr.models import checkpoint, gains, registry
from edge_sr.models.checkpoint import Checkpoint
from edge_sr.quantize import cae
from edge_sr.training import fit
from edge_sr.training import recipe as recipes
from edge_sr.training.codec_images import load_codec_images
from export import networks, vectors, verify
from export.tflite import convert_part

CHANNELS = 6
LOG_GAINS = np.array([[3.0, 3.5, 4.0, 3.0, 4.5, 2.0], [5.0, 4.5, 4.5, 4.5, 5.5, 4.0]], np.float32)
RECIPE = recipes.changed(
    recipes.load("int8-cae"),
    {
        "data": {"patch": 32, "batch": 4, "rim": 2, "validation_images": 1},
        "optimizer": {"learning_rate": 2e-3, "ema_decay": 0.0},
        "stop": {"epochs": 1, "steps_per_epoch": 10},
    },
)


def untrained(folder):
    spec = registry.get("cae")
    config = spec.config(1, channels=CHANNELS, narrow=4, wide=8, units=1, decoder_units=1)
    keras.utils.set_random_seed(2)
    weights = checkpoint.weights_of(spec.build(config, keras))
    checkpoint.write(folder / "best.safetensors", Checkpoint(spec, config, weights, {}))
    save_file({"log_gains": LOG_GAINS}, folder / "rate_model.safetensors")
    return checkpoint.read(folder / "best.safetensors")


@pytest.fixture(scope="module")
def quantized(photographs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("quantized")
    source = untrained(folder)
    images = load_codec_images(photographs, RECIPE)
    trainer, keep = cae.prepare(source, RECIPE, images, 0, folder / "int8", False)
    before = trainer.task.samples.validate(trainer.task.model)
    trainer.run(keep, fit.Silence())
    return source, checkpoint.read(folder / "int8" / "best.safetensors"), images, before


def in_tflm(model, values):
    interpreter = pytest.importorskip("tflite_micro", reason="tflite-micro is not installed")
    runtime = interpreter.runtime.Interpreter.from_bytes(graph.resize(model, *values.shape[1:3]))
    runtime.set_input(values, 0)
    runtime.invoke()
    return runtime.get_output(0)


def test_tuning_improves_all_qualities(quantized):
    _, found, images, before = quantized
    parts = {part: cae.fake_quantized(found, part) for part in ("encoder", "decoder")}
    after = cae.Photographs(images).validate(cae.joined(parts, LOG_GAINS))
    assert after.psnr > before.psnr + 0.5


def test_latents_of_the_parts_are_whole_numbers(quantized):
    _, found, _, _ = quantized
    for part, size in (("encoder", (16, 24)), ("decoder", (2, 3))):
        model = convert_part(found, part, *size, int8=True)
        exported = graph.read_graph(model)
        assert graph.not_integer(exported) == []
        ends = {"image": exported.input, "latents": exported.output}
        if part == "decoder":
            ends = {"image": exported.output, "latents": exported.input}
        assert ends["image"].shape == (1, 16, 24, 3)
        assert ends["image"].quantization.scale == pytest.approx((1 / 255,))
        assert ends["image"].quantization.zero_point == (-128,)
        assert ends["latents"].shape == (1, 2, 3, CHANNELS)
        assert ends["latents"].quantization.scale == (1.0,)
        assert ends["latents"].quantization.zero_point == (0,)
        assert convert_part(found, part, *size, int8=True) == model


def test_symbols_of_each_quality_are_those_of_tflm(quantized):
    """A quality's encoder gives the rounded outputs of the simulation times the gains' ratios."""
    _, found, images, _ = quantized
    image = images.validation[0][None, :64, :96]
    simulated = cae.fake_quantized(found, "encoder")(image.astype(np.float32) / 255).numpy()
    model = convert_part(found, "encoder", 16, 24, int8=True)
    values = (image.astype(int) - 128).astype(np.int8)
    for ratios in (np.ones(CHANNELS), np.exp2(LOG_GAINS[0] - LOG_GAINS[1])):
        expected = np.clip(np.rint(simulated * ratios), -128, 127)
        assert len(np.unique(expected)) > 8
        symbols = in_tflm(places.encoder_at(model, ratios), values)
        assert np.abs(symbols - expected).max() <= 2
        assert np.abs(symbols - expected).mean() < 0.1


def test_the_decoder_takes_the_symbols_of_each_quality(quantized):
    _, found, _, _ = quantized
    steps = np.exp2(LOG_GAINS[1] - LOG_GAINS[0])
    rng = np.random.default_rng(3)
    symbols = rng.integers(-6, 7, (1, 8, 12, CHANNELS)).astype(np.int8)
    model = convert_part(found, "decoder", 4, 4, int8=True)
    simulated = cae.fake_quantized(found, "decoder")
    expected = np.clip(simulated(symbols * steps.astype(np.float32)).numpy(), 0, 1) * 255
    decoded = in_tflm(places.decoder_at(model, steps), symbols).astype(float) + 128
    unchanged = in_tflm(model, symbols).astype(float) + 128
    assert np.abs(decoded - expected).mean() < 2
    assert np.abs(unchanged - expected).mean() > 3 * np.abs(decoded - expected).mean()
    assert places.decoder_at(model, np.ones(CHANNELS)) == model


def test_an_equalized_codec_computes_the_same_with_more_equal_ranges(quantized):
    source, _, images, _ = quantized
    weights = dict(source.weights)
    uneven = np.repeat([1, 0.02], [2, 6]).astype(np.float32)
    for name in ("encoder_conv2", "encoder_unit1_conv2"):
        weights[f"{name}/kernel"] = weights[f"{name}/kernel"] * uneven
    before = dataclasses.replace(source, weights=weights)
    patches = images.cut(RECIPE.data, 4, np.random.default_rng(0))[0]
    observed = cae.observe(before, LOG_GAINS, patches)
    after = cae.equalize(before, observed)
    outputs = [
        checkpoint.build_model(each, keras).predict(patches / 255) for each in (before, after)
    ]
    np.testing.assert_allclose(*outputs, atol=1e-5)
    again = cae.observe(after, LOG_GAINS, patches)
    shares = [np.abs(each["encoder_unit1_add"]).max(axis=(0, 1, 2)) for each in (observed, again)]
    least = [share.min() / share.max() for share in shares]
    assert least[1] > 2 * least[0]


def test_float_parts_are_in_symbols_too(quantized):
    source, _, images, _ = quantized
    found = gains.in_symbols(source, LOG_GAINS[1])
    image = images.validation[0][None, :16, :24].astype(np.float32) / 255
    outputs = {}
    for name, each in (("latents", source), ("symbols", found)):
        model = registry.get("cae-encoder").build(each.config, tf_keras)
        own = {key: array for key, array in each.weights.items() if key.startswith("encoder")}
        checkpoint.assign(model, own)
        outputs[name] = model(image).numpy()
    np.testing.assert_allclose(
        outputs["symbols"], outputs["latents"] * np.exp2(LOG_GAINS[1]), rtol=1e-4, atol=1e-4
    )
    built = [checkpoint.build_model(each, keras).predict(image) for each in (source, found)]
    np.testing.assert_allclose(*built, atol=1e-5)
    encoder = graph.read_graph(convert_part(source, "encoder", 16, 24, int8=False))
    assert encoder.output.shape == (1, 2, 3, CHANNELS)


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_exports_of_parts_are_verified(quantized, tmp_path, monkeypatch, part):
    _, found, _, _ = quantized
    monkeypatch.setattr(vectors, "IMAGES", ("coffee",))
    sizes = {"encoder": (32, 32), "decoder": (4, 4)}
    models = {name: convert_part(found, name, *size, int8=True) for name, size in sizes.items()}
    (tmp_path / "part.tflite").write_bytes(models.pop(part))
    verified = verify.verify(tmp_path, "part", "int8", *models.values())
    if verified.reference == "tflm":
        assert {each.inputs for each in verified.comparisons} == {"random", "real"}
    name = f"cae-{part}"
    weights = networks.Weights(found, f"cae/{part}", name, part)
    assert networks.usual_formats(weights) == ("tflite", "c")
    with pytest.raises(UserError, match=r"cae/.*coder has no .onnx yet"):
        networks.export_weights(weights, tmp_path / "out")


def test_what_does_not_fit_is_refused(quantized, tmp_path):
    source, found, images, _ = quantized
    lonely = tmp_path / "best.safetensors"
    checkpoint.write(lonely, source)
    with pytest.raises(UserError, match=r"needs its gains: rate_model.safetensors or context"):
        convert_part(checkpoint.read(lonely), "encoder", 16, 16, int8=False)
    save_file({"log_gains": LOG_GAINS[:, 1:].copy()}, tmp_path / "context.safetensors")
    with pytest.raises(UserError, match="has no gains for the 6 channels"):
        gains.read_log_gains(checkpoint.read(lonely))
    (tmp_path / "context.safetensors").write_bytes(b"no")
    with pytest.raises(UserError, match="has no log_gains, or it is damaged"):
        gains.read_log_gains(checkpoint.read(lonely))
    with pytest.raises(UserError, match="multiples of 8, not 12x16"):
        convert_part(found, "encoder", 12, 16, int8=True)
    with pytest.raises(UserError, match="a float checkpoint is needed"):
        cae.prepare(found, RECIPE, images, 0, tmp_path, False)
    model = convert_part(found, "encoder", 16, 16, int8=True)
    for ratios in (np.ones(CHANNELS + 1), np.zeros(CHANNELS), np.full(CHANNELS, np.nan)):
        with pytest.raises(UserError, match="needs as many factors above 0"):
            places.encoder_at(model, ratios)
    with pytest.raises(UserError, match="first operator of this network is no int8 convolution"):
        places.decoder_at(convert_part(source, "decoder", 2, 2, int8=False), np.ones(CHANNELS))
