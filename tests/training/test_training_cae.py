"""Training of a compressive autoencoder: rate models, quantizers, runs."""

import csv
import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit, softmax

from edge_sr.errors import UserError
from edge_sr.models import cae, checkpoint
from edge_sr.training import cae_run, centers, losses, rate_model
from edge_sr.training import recipe as recipes
from edge_sr.training.cae_options import CaeOptions
from edge_sr.training.codec_images import QualityImages, load_codec_images
from edge_sr.training.recipe import DataOptions, Recipe, StopOptions
from edge_sr.training.run import Run

TINY = CaeOptions(
    channels=3, narrow=4, wide=6, units=1, decoder_units=0, quantizer="noise", qualities=3,
    low=0.001, high=0.01, hidden=5, flat=0.1,
)  # fmt: skip
RECIPE = Recipe(
    name="tiny",
    source="a test",
    loss={"mse": 0.5, "luma": 0.5},
    cae=TINY,
    data=DataOptions(patch=32, batch=2, validation_images=1),
    stop=StopOptions(epochs=2, steps_per_epoch=2, monitor="last"),
)
CENTERS = dataclasses.replace(
    RECIPE, cae=dataclasses.replace(TINY, quantizer="centers", target_bpp=0.05, ramp_steps=4)
)


@pytest.fixture(scope="module")
def images(photographs):
    return load_codec_images(photographs, RECIPE)


def test_a_run_writes_a_network_and_its_rate_model(images, tmp_path):
    run = Run(tmp_path / "run")
    best = cae_run.train_cae(cae_run.CaePlan(RECIPE, 1), images, run)
    found = checkpoint.read(best)
    assert set(found.weights) == set(checkpoint.weights_of(checkpoint.build_model(found, keras)))
    between = cae_run.read_rate_model(
        run.folder / "rate_model.safetensors", checkpoint.digest(found.weights)
    )
    shapes = {name: array.shape for name, array in between.items()}
    assert shapes == {
        "log_gains": (3, 3),
        "kernel": (5, 5, 3, 5),
        "bias": (3, 5),
        "out_kernel": (1, 1, 5, 6),
        "out_bias": (3, 6),
        "before": (1, 1, 3, 3),
        "before_spread": (1, 1, 3, 3),
        "lambdas": (3,),
    }
    np.testing.assert_allclose(between["lambdas"], [0.001, 0.001 * 10**0.5, 0.01])
    rows = list(csv.DictReader((run.folder / "log.csv").open()))
    assert len(rows) == 2
    assert [float(rows[1][f"bpp_{quality}"]) > 0 for quality in (1, 2, 3)] == [True] * 3
    mean = np.mean([float(rows[1][f"psnr_{quality}"]) for quality in (1, 2, 3)])
    assert float(rows[1]["psnr"]) == pytest.approx(mean, rel=1e-4)
    resumed = dataclasses.replace(run, resume=True)
    cae_run.train_cae(cae_run.CaePlan(RECIPE, 1), images, resumed)  # nothing left to do
    with pytest.raises(UserError, match="recipe"):
        cae_run.train_cae(cae_run.CaePlan(recipes.with_epochs(RECIPE, 3), 1), images, resumed)


@pytest.mark.slow
def test_a_resumed_run_equals_one_that_was_not_interrupted(images, tmp_path):
    """With the published quantizer, whose ramp goes on where it was."""
    plan = cae_run.CaePlan(CENTERS, 2)
    whole = cae_run.read_result(cae_run.train_cae(plan, images, Run(tmp_path / "whole"))).weights
    trainer, keep = cae_run.prepare(plan, keras, images, tmp_path / "parts", False)
    with pytest.raises(KeyboardInterrupt):
        trainer.run(keep, _Interrupt())
    parts = Run(tmp_path / "parts", resume=True)
    resumed = cae_run.read_result(cae_run.train_cae(plan, images, parts))
    for name, array in whole.items():
        np.testing.assert_allclose(resumed.weights[name], array, atol=1e-6, err_msg=name)


class _Interrupt:
    def chunk(self, epoch, steps_done, loss):
        pass

    def epoch(self, result):
        raise KeyboardInterrupt


def test_a_rate_model_of_another_network_is_refused(tmp_path):
    model = cae_run.build(RECIPE, keras)
    weights = checkpoint.weights_of(model)
    for name in ("one", "other"):
        cae_run.write(tmp_path / name, weights, RECIPE, {})
        weights = {key: array + 1 for key, array in weights.items()}
    assert set(cae_run.read_result(tmp_path / "one" / "best.safetensors").weights) == set(weights)
    (tmp_path / "other" / "rate_model.safetensors").replace(tmp_path / "one/rate_model.safetensors")
    with pytest.raises(UserError, match="belongs to another network"):
        cae_run.read_result(tmp_path / "one" / "best.safetensors")


@pytest.mark.parametrize("before", [True, False])
def test_bits_are_those_of_logistic_distributions(before):
    """At a place between two qualities, against NumPy, with all weights random."""
    channels, place, rng = 3, 1.25, np.random.default_rng(0)
    layer = rate_model.rate_layer(keras)(rate_model.Rates(3, 0.001, 0.01, 5, before), 64)
    layer.build((None, None, None, channels))
    for variable in layer.trainable_variables:
        variable.assign(rng.normal(0, 0.3, variable.shape))
    symbols = rng.integers(-9, 10, (1, 6, 7, channels)).astype(np.float32)
    w = {v.name: np.asarray(v, np.float64) for v in layer.trainable_variables}
    at = {n: 0.75 * w[n][1] + 0.25 * w[n][2] for n in ("log_gains", "bias", "out_bias")}
    gains = 2 ** at["log_gains"]
    values = symbols[0] / gains
    padded = np.pad(values, ((2, 2), (2, 2), (0, 0)))
    bits = 0.0
    for y, x in np.ndindex(6, 7):
        hidden = at["bias"].copy()
        for dy, dx in [(dy, dx) for dy in range(5) for dx in range(5) if (dy, dx) < (2, 2)]:
            hidden += padded[y + dy, x + dx] @ w["kernel"][dy, dx]
        out = np.maximum(hidden, 0) @ w["out_kernel"][0, 0] + at["out_bias"]
        residuals = []
        for c in range(channels):
            mean, log_scale = out[c], out[channels + c]
            if before:
                mean += values[y, x, :c] @ w["before"][0, 0, :c, c]
                log_scale += np.minimum(residuals, 8) @ w["before_spread"][0, 0, :c, c] if c else 0
            mean *= gains[c]
            residuals.append(abs(symbols[0, y, x, c] - mean))
            scale = np.clip(2**log_scale, 2**-5, 2**6)
            distance = symbols[0, y, x, c] - mean
            chance = expit((distance + 0.5) / scale) - expit((distance - 0.5) / scale)
            bits -= np.log2(max(chance, 2**-16))
    places = np.full(1, place, np.float32)
    found = layer.bits(symbols, layer.gains(places), places)
    assert float(found[0]) == pytest.approx(bits / (6 * 7 * 64), rel=1e-3)


def test_in_the_last_phase_the_decoder_gets_rounded_symbols():
    """Their gradient is that of the latents; the rate is of noisy symbols."""
    channels = 2
    layer = rate_model.rate_layer(keras)(rate_model.Rates(1, 0.01, 0.01, 4, straight=True), 64)
    layer.build((None, None, None, channels))
    latents = np.random.default_rng(3).normal(0, 0.2, (2, 4, 5, channels)).astype(np.float32)
    z = tf.constant(latents)
    with tf.GradientTape() as tape:
        tape.watch(z)
        values, noisy, _ = layer(z, training=True)
    np.testing.assert_allclose(values, np.rint(latents * 16) / 16, atol=1e-6)
    np.testing.assert_allclose(tape.gradient(values, z), np.ones_like(latents), atol=1e-5)
    decoded, bits, _ = layer(z, training=False)
    np.testing.assert_array_equal(decoded, values)
    assert np.abs(np.asarray(noisy) - np.asarray(bits)).min() > 1e-4


def test_centers_are_the_nearest_ones_and_their_gradient_is_soft():
    """Values, entropy and both gradients against formulas in NumPy."""
    rng = np.random.default_rng(1)
    latents = rng.normal(0, 1.5, (2, 3, 4, 5))
    layer = centers.centers_layer(keras)()
    layer.build(latents.shape)
    levels = np.array([-1.9, -1.0, -0.2, 0.3, 1.1, 2.2])
    layer.centers.assign(levels)
    z = tf.constant(latents, tf.float32)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(z)
        values, bits, _ = layer(z)
    nearest = np.abs(latents[..., None] - levels).argmin(-1)
    np.testing.assert_allclose(values, levels[nearest], atol=1e-6)
    shares = np.bincount(nearest.ravel(), minlength=6) / latents.size
    entropy = -np.sum(shares * np.log2(shares))
    np.testing.assert_allclose(bits, np.full(2, entropy * 5 / 64), rtol=1e-5)
    assert centers.bits_per_symbol(entropy * 5 / 64, 5) == pytest.approx(entropy)

    soft = softmax(-((latents[..., None] - levels) ** 2), axis=-1)
    slopes = 2 * soft * (levels - soft @ levels[:, None])  # of soft assignments, by the latent
    np.testing.assert_allclose(tape.gradient(values, z), slopes @ levels, atol=1e-5)
    by_share = -(np.log2(shares) + 1 / np.log(2))
    expected = 2 * (slopes @ by_share) / latents.size * 5 / 64  # of the sum of both images' bits
    np.testing.assert_allclose(tape.gradient(bits, z), expected, atol=1e-6)


@pytest.mark.parametrize(("channels", "bits"), [(8, 0.786), (16, 1.32), (32, 1.27)])
def test_the_published_operating_points(channels, bits):
    options = recipes.load(f"cae-paper-{channels}").cae
    assert centers.bits_per_symbol(options.target_bpp, channels) == pytest.approx(bits, abs=5e-3)
    assert options.config == cae.paper(channels)


def test_the_rate_loss_grows_from_zero_and_ends_at_its_target():
    options = CENTERS.cae
    model = centers.training_model(options, keras, losses.distortion({"mse": 1.0}))
    image = np.random.default_rng(3).random((2, 16, 16, 3), dtype=np.float32)
    layer = model.get_layer(centers.RATE_LAYER)
    found = []
    for steps, bpp in ((0, 0.09), (2, 0.09), (9, 0.09), (9, 0.04)):
        layer.steps.assign(steps)
        outputs = {"image": image * 0.5, "bits": np.full(2, bpp, np.float32), "quality": None}
        found.append(float(model.compute_loss(y=image, y_pred=outputs)))
    error = 255**2 * np.mean((image * 0.5) ** 2)
    excess = options.rate_weight * (0.09 - options.target_bpp) * 64 / options.channels
    assert found == pytest.approx([error, error + excess / 2, error + excess, error], rel=1e-5)


def test_lambda_weighs_the_distortion_of_each_image():
    rates = rate_model.Rates(3, 0.001, 0.016)
    model = rate_model.training_model(
        TINY.config, rates, keras, losses.distortion({"mse": 0.5, "luma": 0.5})
    )
    rng = np.random.default_rng(5)
    image, decoded = rng.random((2, 2, 16, 16, 3), dtype=np.float32)
    bits, places = np.array([0.3, 0.7], np.float32), np.array([0.5, 2], np.float32)
    outputs = {"image": decoded, "bits": bits, "quality": places}
    error = (image - decoded).astype(np.float64)
    luma = error @ np.array([65.481, 128.553, 24.966]) / 255
    distortion = (np.mean(error**2, axis=(1, 2, 3)) + np.mean(luma**2, axis=(1, 2))) / 2
    factor = np.array([0.002, 0.016])
    even = (factor / 0.001) ** -0.56
    expected = np.mean(even * (bits + factor * 255**2 * distortion))
    assert float(model.compute_loss(y=image, y_pred=outputs)) == pytest.approx(expected, rel=1e-4)


def test_a_larger_network_starts_where_a_smaller_one_is(images):
    rng = np.random.default_rng(4)
    small = cae_run.build(RECIPE, keras)
    for variable in small.trainable_variables:
        variable.assign(variable + rng.normal(0, 0.05, variable.shape))
    sizes = {"narrow": 7, "wide": 9, "units": 2, "decoder_units": 2}
    options = dataclasses.replace(TINY, **sizes, qualities=1, low=0.003, high=0.003)
    recipe = dataclasses.replace(RECIPE, cae=options)
    weights, lambdas = checkpoint.weights_of(small), np.array([0.001, 0.001 * 10**0.5, 0.01])
    start = cae_run.Result(TINY.config, weights, lambdas)
    trainer, _ = cae_run.prepare(cae_run.CaePlan(recipe, 0, start), keras, images, None, False)
    large = trainer.task.model
    small.get_layer("rate_model").quality.assign(2 * np.log10(3))
    image = rng.random((1, 24, 32, 3), dtype=np.float32)
    expected, found = small(image, training=False), large(image, training=False)
    np.testing.assert_allclose(found["image"], expected["image"], atol=2e-6)
    np.testing.assert_allclose(found["bits"], expected["bits"], rtol=1e-4)
    further = np.asarray(large.get_layer("encoder_unit1_conv1").kernel)[..., 6:]
    assert np.abs(further).max() > 0.01
    with pytest.raises(UserError, match="narrow = 4 cannot start from one with narrow = 7"):
        cae_run.prepare(
            cae_run.CaePlan(RECIPE, 0, cae_run.Result(options.config, weights, lambdas)),
            *(keras, images, None, False),
        )


def test_some_patches_are_of_one_colour(images):
    patches = QualityImages(images, 1, 0.5).cut(
        DataOptions(patch=16), 200, np.random.default_rng(0)
    )[0]
    flat = [patch[0, 0] for patch in patches if (patch == patch[0, 0]).all()]
    assert 70 < len(flat) < 130
    assert any(set(colour.tolist()) == {255} for colour in flat)
    assert QualityImages(images, 1, 0.0).digest == images.digest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cae": {"quantizer": "none"}}, "no quantizer for cae"),
        ({"expand": 8}, "sets expand, which cae does not have"),
        ({"latents": {"quantized": True}}, "sets latents, which cae does not have"),
        ({"phases": [{"start": 0.5, "rounded": True}]}, "sets rounded"),
        ({"loss": {"ssim": 1.0}}, "by ms_ssim, not by ssim"),
        ({"data": {"patch": 36}}, "multiples of 8"),
        ({"cae": {"quantizer": "coin"}}, "quantizer must be one of none, noise, centers"),
        ({"cae": {"low": 0.5}}, "low must be less than high"),
        ({"cae": {"qualities": 1}}, "equal to it with one quality only"),
        ({"cae": {"channels": 65}}, "1 to 64 channels"),
        ({"cae": {"hidden": 0}}, "hidden must be 1 to 512"),
        ({"cae": {"flat": 1.5}}, r"flat must be in \[0, 1\]"),
        ({"cae": {"target_bpp": float("inf")}}, "target_bpp must be positive and finite"),
    ],
)
def test_recipes_that_cannot_train_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        cae_run.check_recipe(recipes.changed(RECIPE, changes))


@pytest.mark.parametrize(
    "name", ["cae-low", "cae-high", "cae-low-fine", "cae-high-fine", "cae-full", "cae-paper-8"]
)
def test_shipped_recipes_fit(name):
    recipe = recipes.load_for(name, 1)
    cae_run.check_recipe(recipe)
    assert recipe.name == name
