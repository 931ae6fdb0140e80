"""Training of a codec: its images, the quantizer between its parts, its rate."""

import dataclasses

import keras
import numpy as np
import pytest
from PIL import Image
from scipy.special import expit

from edge_sr.errors import UserError
from edge_sr.models import checkpoint, registry, tinycompress
from edge_sr.training import bottleneck, losses, rounding
from edge_sr.training import recipe as recipes
from edge_sr.training.codec_images import load_codec_images
from edge_sr.training.codec_run import CodecPlan, train_codec
from edge_sr.training.recipe import DataOptions, LatentOptions, Phase, Recipe, StopOptions
from edge_sr.training.run import Run

RECIPE = Recipe(
    name="smoke",
    source="a test",
    loss={"mse": 1.0, "luma": 0.5},
    latents=LatentOptions(quantized=True, rate_weight=0.01),
    data=DataOptions(patch=16, batch=4, validation_images=1),
    stop=StopOptions(epochs=2, steps_per_epoch=8),
    phases=(Phase(start=0.5, rounded=True),),
)


def test_a_run_learns_and_its_checkpoint_has_no_bottleneck(photographs, tmp_path):
    images = load_codec_images(photographs, RECIPE)
    run = Run(tmp_path / "run")
    found = checkpoint.read(train_codec(CodecPlan(16, RECIPE, 1), images, run))
    assert set(found.weights) == set(checkpoint.weights_of(checkpoint.build_model(found, keras)))
    keras.utils.set_random_seed(1)
    start = images.validate(tinycompress.autoencoder(found.config, keras))
    assert images.validate(checkpoint.load_model(run.best)).psnr > start.psnr
    resumed = dataclasses.replace(run, resume=True)
    train_codec(CodecPlan(16, RECIPE, 1), images, resumed)  # nothing left to do
    with pytest.raises(UserError, match="rate"):
        train_codec(CodecPlan(4, RECIPE, 1), images, resumed)


def test_validation_is_psnr_of_rgb_with_rounded_latents(photographs):
    images = load_codec_images(photographs, RECIPE)
    config = tinycompress.CodecConfig(rate=4)
    keras.utils.set_random_seed(1)
    model = tinycompress.autoencoder(config, keras, bottleneck.bottleneck(keras, 0.0, 4))
    weights = checkpoint.weights_of(model)
    parts = {}
    for part in tinycompress.PARTS:
        spec = registry.get(f"tinycompress-{part}")
        parts[part] = spec.build(config, keras)
        checkpoint.assign(parts[part], tinycompress.part_of(weights, part))
    image = images.validation[0]
    samples = np.rint(np.asarray(parts["encoder"](image[None].astype(np.float32) / 255)) * 255)
    output = np.clip(np.asarray(parts["decoder"]((samples / 255).astype(np.float32)))[0], 0, 1)
    decoded = np.rint(output * 255)
    error = np.mean((decoded - image.astype(np.float64)) ** 2)
    assert images.validate(model).psnr == pytest.approx(10 * np.log10(255**2 / error), abs=1e-3)


def test_patches_are_cut_from_the_images(photographs):
    images = load_codec_images(photographs, RECIPE)
    data = DataOptions(patch=24)
    patches, targets = images.cut(data, 50, np.random.default_rng(0))
    assert patches is targets
    assert patches.shape == (50, 24, 24, 3)
    sums = {int(patch.sum()) for patch in patches}
    windows = [
        np.lib.stride_tricks.sliding_window_view(each.sum(-1, dtype=np.int64), (24, 24))
        for each in images.train
    ]
    known = np.concatenate([window.sum((-1, -2)).ravel() for window in windows])
    assert sums <= set(known.tolist())


def test_the_rate_is_that_of_logistic_distributions():
    """The rate of latents, with and without neighbours, against SciPy's logistic function."""
    layer = bottleneck.bottleneck(keras, 1.0, 4)
    layer.build((None, None, None, 3))
    levels = np.random.default_rng(0).normal(120, 30, (1, 6, 7, 3)).astype(np.float32)
    padded = np.pad(levels[0].astype(np.float64), ((2, 2), (2, 2), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), axis=(0, 1))
    mean = np.einsum("hwcij,ijco->hwo", windows, np.asarray(layer.mean) * layer.mask)
    residual = levels[0] - mean
    padded = np.pad(np.abs(residual), ((2, 2), (2, 2), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), axis=(0, 1))
    weights = np.log1p(np.exp(np.asarray(layer.spread, np.float64))) * layer.mask
    width = np.einsum("hwcij,ijco->hwo", windows, weights) + np.log1p(np.exp(1.0))
    chance = expit((residual + 0.5) / width) - expit((residual - 0.5) / width)
    bits = -np.log2(np.maximum(chance, 1e-6)).sum() / (6 * 7 * 4)
    assert float(layer.bits_per_pixel(levels)) == pytest.approx(bits, rel=1e-3)


def test_a_sample_is_predicted_from_samples_coded_before_it():
    mask = bottleneck.causal_mask(3)
    assert mask.shape == (5, 5, 3, 3)
    for own in range(3):
        assert mask[2, 2, own, own] == 0
        assert mask[2, 1, own, own] == mask[1, 4, own, own] == 1
        assert mask[2, 3, own, own] == mask[3, 0, own, own] == 0
        assert all(mask[..., earlier, own].all() for earlier in range(own))
        assert not any(mask[..., later, own].any() for later in range(own + 1, 3))


def test_the_luma_loss_uses_the_studio_range():
    rng = np.random.default_rng(3)
    one, other = (rng.random((2, 9, 8, 3), np.float32) for _ in range(2))
    studio = np.array([65.481, 128.553, 24.966]) / 255
    expected = np.mean(((one - other).astype(np.float64) @ studio) ** 2)
    assert float(losses.luma_loss(one, other)) == pytest.approx(expected, rel=1e-4)


def test_blocks_that_are_applied_twice_are_rounded_twice():
    config = tinycompress.CodecConfig(rate=16)
    model = tinycompress.autoencoder(config, keras)
    variant = rounding.rounded(keras, model)
    rounded = [layer for layer in variant.layers if layer.name.startswith("encoder_conv1_")]
    assert len(rounded) == 4  # kernel and output, in both iterations
    image = np.random.default_rng(0).random((1, 16, 16, 3), np.float32)
    one, other = np.asarray(model(image)), np.asarray(variant(image))
    assert 0 < np.abs(one - other).max() < 0.2


def test_small_images_and_a_rate_without_quantized_latents_are_refused(tmp_path):
    for name in "abc":
        Image.new("RGB", (20, 12)).save(tmp_path / f"{name}.png")
    with pytest.raises(UserError, match="smaller than a patch"):
        load_codec_images(tmp_path, RECIPE)
    few = dataclasses.replace(RECIPE, data=DataOptions(patch=8, validation_images=1))
    with pytest.raises(UserError, match="too small for validation"):
        load_codec_images(tmp_path, few)
    with pytest.raises(UserError, match="quantized = true"):
        recipes.from_dict({"name": "a", "source": "b", "latents": {"rate_weight": 0.1}})
