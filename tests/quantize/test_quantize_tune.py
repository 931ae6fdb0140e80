"""From a float network to integers: the simulation is what the exported file computes."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from edge_sr import graph, metrics
from edge_sr.errors import UserError
from edge_sr.models import checkpoint, registry
from edge_sr.models.checkpoint import Checkpoint
from edge_sr.quantize import network
from edge_sr.quantize.tune import Tuner
from edge_sr.runtime.opening import open_session
from edge_sr.runtime.pixels import run_plane
from edge_sr.training import quality
from edge_sr.training import recipe as recipes
from edge_sr.training.samples import Samples, load_samples
from export.tflite import convert


class Silence:
    def chunk(self, epoch, steps_done, loss):
        pass

    def epoch(self, result):
        pass


def untrained(name: str, scale: int) -> Checkpoint:
    """With one block, where there are blocks."""
    spec = registry.get(name)
    config = spec.config(scale)
    if isinstance(config, registry.BlocksConfig):
        config = dataclasses.replace(config, blocks=1)
    keras.utils.set_random_seed(2)
    weights = checkpoint.weights_of(spec.build(config, keras))
    slopes = np.random.default_rng(2)
    for key, array in weights.items():
        if key.endswith("/alpha"):
            weights[key] = slopes.uniform(-0.3, 1.1, array.shape).astype(np.float32)
    return Checkpoint(spec, config, weights, {})


@pytest.fixture(scope="module")
def samples(photographs: Path) -> Samples:
    recipe = recipes.load("int8-x2")
    options = dataclasses.replace(recipe.data, patch=16, validation_images=1)
    return load_samples(photographs, 2, dataclasses.replace(recipe, data=options, phases=()))


@pytest.fixture(scope="module")
def tuned(samples: Samples, tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = recipes.load("int8-x2")
    recipe = dataclasses.replace(
        recipe,
        data=dataclasses.replace(recipe.data, patch=16, batch=4),
        stop=dataclasses.replace(recipe.stop, epochs=1, steps_per_epoch=20),
    )
    folder = tmp_path_factory.mktemp("tuned")
    source = untrained("tinypssr-anchor", 2)
    return Tuner(source, recipe, samples, 0, folder, False).run(Silence())


def test_tuning_notes_where_it_comes_from(tuned):
    notes = checkpoint.read(tuned).notes["tuning"]
    assert (notes["model"], notes["scale"], notes["seed"]) == ("tinypssr-anchor", 2, 0)


def test_simulation_and_exported_integers_agree(tuned, samples, tmp_path):
    simulated = network.fake_quantized(checkpoint.read(tuned))
    path = tmp_path / "int8.tflite"
    path.write_bytes(convert(checkpoint.read(tuned), 32, 32, int8=True))
    session = open_session(path, "litert", 1)
    for low, high in samples.validation:
        one, other = quality.upscale_plane(simulated, low), run_plane(session, low)
        assert metrics.psnr(high, one, 2) == pytest.approx(metrics.psnr(high, other, 2), abs=0.05)
        assert np.abs(one.astype(int) - other).max() <= 3


@pytest.mark.parametrize(
    ("name", "scale"),
    [("tinypssr", 4), *((name, 2) for name in registry.names("super-resolution")), ("edsr", 4)],
)
def test_every_model_becomes_integers_with_one_output_in_tflm_and_engine(name, scale, tmp_path):
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


def test_calibration_takes_the_range_of_least_error():
    """A search in float64 over finer steps finds no range that is much better."""
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


def test_tuning_a_tuned_checkpoint_is_refused(tuned, samples, tmp_path):
    recipe = recipes.load("int8-x2")
    with pytest.raises(UserError, match="was tuned for int8; the float checkpoint is needed"):
        Tuner(checkpoint.read(tuned), recipe, samples, 0, tmp_path, False)


def test_resuming_with_another_float_network_is_refused(tuned, samples):
    notes = checkpoint.read(tuned).notes["tuning"]
    recipe = recipes.from_dict(notes["recipe"])
    source = untrained("tinypssr-anchor", 2)
    other = {name: array * 1.01 for name, array in source.weights.items()}
    Tuner(source, recipe, samples, 0, tuned.parent, True)
    with pytest.raises(UserError, match="another source"):
        Tuner(dataclasses.replace(source, weights=other), recipe, samples, 0, tuned.parent, True)


def test_each_export_needs_its_kind_of_checkpoint(tuned, tmp_path):
    path = tmp_path / "float.safetensors"
    checkpoint.write(path, untrained("tinypssr", 2))
    with pytest.raises(UserError, match="is a float checkpoint; `edge-sr quantize"):
        convert(checkpoint.read(path), 8, 8, int8=True)
    with pytest.raises(UserError, match="was tuned for int8; the float checkpoint is needed"):
        convert(checkpoint.read(tuned), 8, 8, int8=False)
