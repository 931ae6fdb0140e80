"""From a float network to integers: the exported file computes what the simulation computes."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from edge_sr import graph, metrics
from edge_sr.errors import UserError
from edge_sr.models import checkpoint, registry
from edge_sr.models.checkpoint import Checkpoint
from edge_sr.quantize import network, upscaler
from edge_sr.runtime.opening import open_session
from edge_sr.runtime.pixels import run_plane
from edge_sr.training import fit, quality
from edge_sr.training import recipe as recipes
from edge_sr.training.samples import Samples, load_samples
from export.tflite import convert


def untrained(name: str, scale: int) -> Checkpoint:
    """With one block, where there are blocks."""
    spec = registry.get(name)
    config = spec.config(scale)
    if isinstance(config, registry.BlocksConfig):
        config = dataclasses.replace(config, blocks=1)
    keras.utils.set_random_seed(2)
    weights = checkpoint.weights_of(spec.build(config, keras))
    rng = np.random.default_rng(2)
    for key, array in weights.items():
        if key.endswith("/alpha"):
            weights[key] = rng.uniform(-0.3, 1.1, array.shape).astype(np.float32)
    return Checkpoint(spec, config, weights, {})


@pytest.fixture(scope="module")
def samples(photographs: Path) -> Samples:
    recipe = recipes.load("int8-x2")
    options = dataclasses.replace(recipe.data, patch=16, validation_images=1)
    return load_samples(photographs, 2, dataclasses.replace(recipe, data=options, phases=()))


@pytest.fixture(scope="module")
def quantized(samples: Samples, tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = recipes.load("int8-x2")
    recipe = dataclasses.replace(
        recipe,
        data=dataclasses.replace(recipe.data, patch=16, batch=4),
        stop=dataclasses.replace(recipe.stop, epochs=1, steps_per_epoch=20),
    )
    folder = tmp_path_factory.mktemp("quantized")
    source = untrained("tinypssr-anchor", 2)
    trainer, keep = upscaler.prepare(source, recipe, samples, 0, folder, False)
    trainer.run(keep, fit.Silence())
    return folder / "best.safetensors"


def test_an_int8_checkpoint_notes_its_training(quantized):
    notes = checkpoint.read(quantized).notes["tuning"]
    assert (notes["model"], notes["scale"], notes["seed"]) == ("tinypssr-anchor", 2, 0)


def test_simulation_and_exported_integers_agree(quantized, samples, tmp_path):
    simulated = network.fake_quantized(checkpoint.read(quantized))
    path = tmp_path / "int8.tflite"
    path.write_bytes(convert(checkpoint.read(quantized), 32, 32, int8=True))
    session = open_session(path, "litert", 1)
    for low, high in samples.validation:
        one, other = quality.upscale_plane(simulated, low), run_plane(session, low)
        assert metrics.psnr(high, one, 2) == pytest.approx(metrics.psnr(high, other, 2), abs=0.05)
        assert np.abs(one.astype(int) - other).max() <= 3


@pytest.mark.parametrize(
    ("name", "scale"),
    [("tinypssr", 4), *((name, 2) for name in registry.names("super-resolution")), ("edsr", 4)],
)
def test_every_model_converts_to_integers_that_tflm_and_engine_compute_alike(name, scale, tmp_path):
    source = untrained(name, scale)
    model = network.fake_quantized(source)
    channels = source.spec.channels
    patches = np.random.default_rng(0).integers(0, 256, (8, 16, 16, channels), np.uint8)
    network.calibrate(model, source, patches)
    path = tmp_path / "calibrated.safetensors"
    weights = checkpoint.weights_of(model)
    checkpoint.write(path, dataclasses.replace(source, weights=weights))
    first = convert(checkpoint.read(path), 16, 24, int8=True)
    exported = graph.read_graph(first)
    assert graph.not_integer(exported) == []
    assert exported.input.shape == (1, 16, 24, channels)
    assert exported.output.shape == (1, 16 * scale, 24 * scale, channels)
    for tensor in (exported.input, exported.output):
        assert tensor.quantization.scale == pytest.approx((1 / 255,))
        assert tensor.quantization.zero_point == (-128,)
    # The converter gives SRCNN's fixed convolution a bias.
    biases = scale**2 if name == "srcnn" else 0
    plain = source.spec.build(source.config, keras)
    assert graph.parameters(exported) == plain.count_params() + biases
    if name == "tinypssr":
        assert convert(checkpoint.read(path), 16, 24, int8=True) == first
    file = tmp_path / "int8.tflite"
    file.write_bytes(first)
    image = np.random.default_rng(1).integers(-128, 128, (1, 7, 9, channels), np.int8)
    oracle, engine = (open_session(file, runtime).run(image) for runtime in ("tflm", "engine"))
    np.testing.assert_array_equal(engine, oracle)
    assert len(np.unique(oracle)) > 20


def test_calibration_finds_the_range_of_least_error():
    """A search in float64 over finer steps finds no much better range."""
    source = untrained("tinypssr", 2)
    model = network.fake_quantized(source)
    patches = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 1), np.uint8)
    network.calibrate(model, source, patches)
    kernel = source.weights["stage1_conv1/kernel"].astype(np.float64)
    image = np.pad(patches[..., 0] / 255.0, ((0, 0), (2, 2), (2, 2)))
    windows = np.lib.stride_tricks.sliding_window_view(image, (5, 5), axis=(1, 2))
    output = np.einsum("nhwij,ijc->nhwc", windows, kernel[:, :, 0]).ravel()

    def error(low, high):
        step = (high - low) / 255
        offset = np.round(-low / step)
        level = np.clip(np.round(output / step), -offset, 255 - offset)
        return np.mean((level * step - output) ** 2)

    variables = checkpoint.weights_of(model)
    found = (float(variables[f"quant_stage1_conv1/output_{end}"]) for end in ("min", "max"))
    least = min(error(s * output.min(), s * output.max()) for s in np.linspace(0.2, 1, 161))
    assert error(*found) <= 1.05 * least


def test_quantizing_an_int8_checkpoint_is_refused(quantized, samples, tmp_path):
    recipe = recipes.load("int8-x2")
    with pytest.raises(UserError, match="is an int8 checkpoint; a float checkpoint is needed"):
        upscaler.prepare(checkpoint.read(quantized), recipe, samples, 0, tmp_path, False)


def test_resuming_with_another_float_network_is_refused(quantized, samples):
    notes = checkpoint.read(quantized).notes["tuning"]
    recipe = recipes.from_dict(notes["recipe"])
    source = untrained("tinypssr-anchor", 2)
    other = {name: array * 1.01 for name, array in source.weights.items()}
    folder = quantized.parent
    upscaler.prepare(source, recipe, samples, 0, folder, True)
    changed = dataclasses.replace(source, weights=other)
    with pytest.raises(UserError, match="another source"):
        upscaler.prepare(changed, recipe, samples, 0, folder, True)


def test_each_export_needs_its_kind_of_checkpoint(quantized, tmp_path):
    path = tmp_path / "float.safetensors"
    checkpoint.write(path, untrained("tinypssr", 2))
    with pytest.raises(UserError, match="is a float checkpoint; `edge-sr quantize"):
        convert(checkpoint.read(path), 8, 8, int8=True)
    with pytest.raises(UserError, match="is an int8 checkpoint; a float checkpoint is needed"):
        convert(checkpoint.read(quantized), 8, 8, int8=False)
