"""From a float codec to integers: the exported parts compute what the simulation computes."""

import dataclasses

import keras
import numpy as np
import pytest

from edge_sr import graph, metrics
from edge_sr.errors import UserError
from edge_sr.models import checkpoint, registry
from edge_sr.models.checkpoint import Checkpoint
from edge_sr.quantize import codec
from edge_sr.training import fit
from edge_sr.training import recipe as recipes
from edge_sr.training.codec_images import load_codec_images
from export.tflite import convert_part


def untrained(rate):
    spec = registry.get("tinycompress")
    keras.utils.set_random_seed(2)
    weights = checkpoint.weights_of(spec.build(spec.config(1, rate=rate), keras))
    return Checkpoint(spec, spec.config(1, rate=rate), weights, {})


@pytest.fixture(scope="module")
def quantized(photographs, tmp_path_factory):
    recipe = recipes.load("int8-codec")
    recipe = dataclasses.replace(
        recipe,
        data=dataclasses.replace(recipe.data, patch=32, batch=4, validation_images=1),
        stop=dataclasses.replace(recipe.stop, epochs=1, steps_per_epoch=10),
    )
    folder = tmp_path_factory.mktemp("quantized")
    images = load_codec_images(photographs, recipe)
    trainer, keep = codec.prepare(untrained(16), recipe, images, 0, folder, False)
    trainer.run(keep, fit.Silence())
    return folder / "best.safetensors", images


def test_quantization_aware_training_lowers_the_error(quantized):
    path, images = quantized
    source = untrained(16)
    parts = codec.fake_quantized(source)
    data = dataclasses.replace(recipes.load("int8-codec").data, patch=32)
    patches, _ = images.cut(data, 8, np.random.default_rng(0))
    codec.calibrate(parts, source, patches)
    before = images.validate(codec.joined(parts))
    after = images.validate(codec.joined(codec.fake_quantized(checkpoint.read(path))))
    assert after.psnr > before.psnr


@pytest.mark.parametrize(("part", "grows"), [("encoder", 0.25), ("decoder", 4)])
def test_parts_convert_to_integers_of_the_published_size(quantized, part, grows):
    path, _ = quantized
    first = convert_part(checkpoint.read(path), part, 16, 24, int8=True)
    exported = graph.read_graph(first)
    assert graph.not_integer(exported) == []
    assert exported.input.shape == (1, 16, 24, 3)
    assert exported.output.shape == (1, 16 * grows, 24 * grows, 3)
    for tensor in (exported.input, exported.output):
        assert tensor.quantization.scale == pytest.approx((1 / 255,))
        assert tensor.quantization.zero_point == (-128,)
    assert convert_part(checkpoint.read(path), part, 16, 24, int8=True) == first
    published = sum(count for _, count in registry.get(f"tinycompress-{part}").published[1])
    assert graph.parameters(exported) == 2 * published  # two iterations with the same weights


def test_simulation_and_exported_integers_agree(quantized):
    """TFLM runs the converted simulation."""
    interpreter = pytest.importorskip("tflite_micro", reason="tflite-micro is not installed")
    path, images = quantized
    image = images.validation[0][:32, :48]
    simulated = codec.fake_quantized(checkpoint.read(path))
    found = simulated["decoder"](simulated["encoder"](image[None].astype(np.float32) / 255))
    expected = np.rint(np.clip(found.numpy()[0], 0, 1) * 255).astype(np.uint8)
    values = (image.astype(int) - 128).astype(np.int8)[None]
    for part in ("encoder", "decoder"):
        model = convert_part(checkpoint.read(path), part, *values.shape[1:3], int8=True)
        runtime = interpreter.runtime.Interpreter.from_bytes(model)
        runtime.set_input(values, 0)
        runtime.invoke()
        values = runtime.get_output(0)
    decoded = (values[0].astype(int) + 128).astype(np.uint8)
    flat = (32, -1)
    own = [metrics.psnr(image.reshape(flat), x.reshape(flat)) for x in (decoded, expected)]
    assert own[0] == pytest.approx(own[1], abs=0.1)
    assert np.abs(decoded.astype(int) - expected).mean() <= 1.5


def test_float_parts_compute_what_the_model_computes(tmp_path):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    source = untrained(4)
    path = tmp_path / "float.safetensors"
    checkpoint.write(path, source)
    image = np.random.default_rng(1).random((1, 16, 24, 3), np.float32)
    model = checkpoint.build_model(source, keras)
    expected = keras.ops.convert_to_numpy(model(image))
    values = image
    for part in ("encoder", "decoder"):
        found = convert_part(checkpoint.read(path), part, *values.shape[1:3], int8=False)
        graph.read_graph(found)
        runtime = interpreter.Interpreter(model_content=found)
        runtime.allocate_tensors()
        runtime.set_tensor(runtime.get_input_details()[0]["index"], values)
        runtime.invoke()
        values = runtime.get_tensor(runtime.get_output_details()[0]["index"])
    np.testing.assert_allclose(values, expected, atol=1e-5)


def test_an_equalized_codec_computes_the_same_with_more_equal_ranges(photographs):
    recipe = recipes.load("int8-codec")
    data = dataclasses.replace(recipe.data, patch=32, validation_images=1)
    loaded = load_codec_images(photographs, dataclasses.replace(recipe, data=data))
    patches, _ = loaded.cut(data, 8, np.random.default_rng(0))
    before = untrained(16)
    weights = dict(before.weights)
    weights["encoder_conv1/kernel"] = weights["encoder_conv1/kernel"] * np.repeat(
        [1, 0.02], [3, 12]
    )
    before = dataclasses.replace(before, weights=weights)
    after = codec.equalize(before, patches)
    images = patches.astype(np.float32) / 255
    outputs = [checkpoint.build_model(each, keras).predict(images) for each in (before, after)]
    np.testing.assert_allclose(*outputs, atol=1e-5)
    assert least_share(after, patches) > 3 * least_share(before, patches)


def least_share(source, patches):
    """Smallest over largest range of the channels before the encoder's first PReLU."""
    part, _, outputs = next(codec.observe(source, patches))
    assert part == "encoder"
    reach = np.max([np.abs(v).max(axis=(0, 1, 2)) for v in outputs["encoder_conv1"]], axis=0)
    return reach.min() / reach.max()


def test_odd_sizes_and_other_models_are_refused(quantized, tmp_path):
    path, _ = quantized
    with pytest.raises(UserError, match="multiples of 4, not 30x32"):
        convert_part(checkpoint.read(path), "encoder", 30, 32, int8=True)
    with pytest.raises(UserError, match="is an int8 checkpoint"):
        convert_part(checkpoint.read(path), "encoder", 32, 32, int8=False)
    spec = registry.get("tinypssr")
    weights = checkpoint.weights_of(spec.build(spec.config(2), keras))
    other = tmp_path / "other.safetensors"
    checkpoint.write(other, Checkpoint(spec, spec.config(2), weights, {}))
    with pytest.raises(UserError, match="has no encoder"):
        convert_part(checkpoint.read(other), "encoder", 32, 32, int8=False)
