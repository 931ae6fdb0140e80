"""The training loop: it learns, is reproducible by seed, and resumes to the same weights."""

import dataclasses
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file

from edge_sr.data.datasets import find_pairs, split_validation
from edge_sr.data.degradation import bicubic_downscale
from edge_sr.errors import UserError
from edge_sr.models import checkpoint, registry
from edge_sr.models.reparam import fold
from edge_sr.training import fit, quality, state
from edge_sr.training import recipe as recipes
from edge_sr.training.recipe import DataOptions, OptimizerOptions, Phase, Recipe, StopOptions
from edge_sr.training.samples import load_samples

RECIPE = Recipe(
    name="smoke",
    source="a test",
    expand=8,
    data=DataOptions(patch=16, batch=4, validation_images=2),
    optimizer=OptimizerOptions(learning_rate=4e-3, schedule="cosine", ema_decay=0.9),
    stop=StopOptions(epochs=2, steps_per_epoch=6),
)

PHASES = dataclasses.replace(
    RECIPE,
    expand=0,
    optimizer=OptimizerOptions(kind="soap", learning_rate=4e-3, ema_decay=0.9),
    phases=(Phase(start=0.5, patch=20, batch=3, loss={"mse": 1.0, "ssim": 0.1}, rounded=True),),
)


class StopAt(fit.Silence):
    """Interrupts in the middle of an epoch, or, with 0 steps, at the end of the previous one."""

    def __init__(self, epoch, steps):
        self.moment = (epoch, steps)

    def chunk(self, epoch, steps_done, loss):
        if (epoch, steps_done) == self.moment:
            raise KeyboardInterrupt

    def epoch(self, result):
        if (result.number + 1, 0) == self.moment:
            raise KeyboardInterrupt


def run(photographs, folder, recipe=RECIPE, resume=False, seed=7, observer=None):
    samples = load_samples(photographs, 2, recipe)
    keras.utils.set_random_seed(seed)
    spec = registry.get("tinypssr-anchor")
    model = spec.build(spec.config(2, expand=recipe.expand), keras)
    task = fit.Task(model, keras, recipe, 2, samples, seed, {"m": 1})
    kept: list[fit.Weights] = []

    def keep(weights: fit.Weights) -> None:
        kept.append(dict(weights))

    fit.Trainer(task, folder, resume).run(keep, observer or fit.Silence())
    return checkpoint.weights_of(model), kept


def test_a_seed_repeats_a_run(photographs, tmp_path):
    first, _ = run(photographs, tmp_path / "a")
    second, _ = run(photographs, tmp_path / "b")
    other, _ = run(photographs, tmp_path / "c", seed=8)
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])
    assert any(not np.array_equal(first[name], other[name]) for name in first)


@pytest.fixture(scope="module", params=[RECIPE, PHASES], ids=["adam", "soap"])
def undisturbed(photographs, tmp_path_factory, request):
    """A recipe, and the weights and the log of a run of it that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    weights, _ = run(photographs, folder, request.param)
    return request.param, weights, (folder / "log.csv").read_bytes()


@pytest.mark.parametrize("moment", [(1, 6), (2, 0), (2, 6)])
def test_an_interrupted_run_resumes_to_the_same_weights(photographs, tmp_path, moment, undisturbed):
    recipe, whole, log = undisturbed
    with pytest.raises(KeyboardInterrupt):
        run(photographs, tmp_path / "parts", recipe, observer=StopAt(*moment))
    parts, _ = run(photographs, tmp_path / "parts", recipe, resume=True)
    for name, array in whole.items():
        np.testing.assert_array_equal(array, parts[name])
    assert (tmp_path / "parts" / "log.csv").read_bytes() == log


@pytest.mark.parametrize("norm", ["weight", "batch"])
def test_an_rgb_network_trains_and_resumes_to_the_same_weights(photographs, tmp_path, norm):
    recipe = dataclasses.replace(RECIPE, expand=0, norm=norm)
    samples = load_samples(photographs, 2, recipe, channels=3)
    spec = registry.get("wdsr-b")

    def train(folder, resume=False, observer=None):
        keras.utils.set_random_seed(3)
        model = spec.build(spec.config(2, blocks=1, norm=norm, original=1), keras)
        task = fit.Task(model, keras, recipe, 2, samples, 3, {"m": 1})
        fit.Trainer(task, folder, resume).run(lambda weights: None, observer or fit.Silence())
        return checkpoint.weights_of(model)

    whole = train(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "parts", observer=StopAt(2, 0))
    parts = train(tmp_path / "parts", resume=True)
    for name, array in whole.items():
        np.testing.assert_array_equal(array, parts[name])
    if norm == "batch":
        assert not np.array_equal(whole["head/mean"], np.zeros(32))


def test_bfloat16_changes_a_training_only_by_noise(photographs, tmp_path):
    samples = load_samples(photographs, 2, RECIPE, channels=3)
    spec = registry.get("wdsr-b")
    losses, scores = [], []
    for bfloat16 in (False, True):
        recipe = dataclasses.replace(
            RECIPE,
            expand=0,
            bfloat16=bfloat16,
            optimizer=OptimizerOptions(learning_rate=3e-4, schedule="cosine"),
        )
        keras.utils.set_random_seed(3)
        model = spec.build(spec.config(2, blocks=1), keras)
        task = fit.Task(model, keras, recipe, 2, samples, 3, {"m": 1})
        trainer = fit.Trainer(task, tmp_path / str(bfloat16), resume=False)
        results = [trainer.run_epoch(fit.Silence()) for _ in range(2)]
        losses.append([result.loss for result in results])
        scores.append(results[-1].score.psnr)
    np.testing.assert_allclose(*losses, rtol=0.02)
    np.testing.assert_allclose(*scores, atol=0.1)
    image = np.random.default_rng(1).random((1, 9, 9, 3), np.float32)
    again = spec.build(spec.config(2, blocks=1), keras)
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(model(image), again(image), atol=1e-6)  # the model stays float32


def test_rgb_patches_have_three_channels_of_one_position(photographs):
    samples = load_samples(photographs, 2, RECIPE, channels=3)
    rng = np.random.default_rng(0)
    low, high = samples.cut(RECIPE.data, 5, rng)
    assert (low.shape, high.shape) == ((5, 16, 16, 3), (5, 32, 32, 3))
    for patch, due in zip(low, high, strict=True):
        # Away from the edge each channel is that of the target, downscaled; in turned patches rows
        # and columns are downscaled, and rounded, in the other order.
        inside = np.s_[3:-3, 3:-3]
        reduced = bicubic_downscale(due, 2)[inside].astype(int)
        assert np.abs(patch[inside] - reduced).max() <= 1
        assert np.abs(patch[inside] - reduced[..., ::-1]).max() > 1
    for image, luma in samples.validation:
        assert (image.ndim, luma.ndim) == (3, 2)
        assert luma.shape == (2 * image.shape[0], 2 * image.shape[1])


def test_the_schedule_halving_halves_the_rate_after_plateau_epochs(photographs, tmp_path):
    options = OptimizerOptions(learning_rate=1e-3, schedule="halving", plateau_epochs=2)
    stop = StopOptions(epochs=5, steps_per_epoch=1)
    recipe = dataclasses.replace(RECIPE, optimizer=options, stop=stop)
    run(photographs, tmp_path / "a", recipe)
    lines = (tmp_path / "a" / "log.csv").read_text().splitlines()[1:]
    rates = [float(line.split(",")[4]) for line in lines]
    assert rates == pytest.approx([1e-3, 1e-3, 5e-4, 5e-4, 2.5e-4])


def test_training_learns(photographs, tmp_path):
    stop = dataclasses.replace(RECIPE.stop, epochs=2, steps_per_epoch=150)
    recipe = dataclasses.replace(RECIPE, stop=stop)
    held_out = load_samples(photographs, 2, recipe).validation
    keras.utils.set_random_seed(7)
    spec = registry.get("tinypssr-anchor")
    model = spec.build(spec.config(2), keras)
    untrained = quality.validate(model, held_out, 2)
    _, kept = run(photographs, tmp_path / "a", recipe)
    checkpoint.assign(model, fold(kept[-1]))
    assert quality.validate(model, held_out, 2).psnr > untrained.psnr + 2


def test_validation_images_are_not_trained_on(photographs):
    samples = load_samples(photographs, 2, RECIPE)
    assert (len(samples.train), len(samples.validation)) == (4, 2)
    for _, held_out in samples.validation:
        assert not any(np.array_equal(held_out, high) for _, high in samples.train)


def test_a_diverged_run_is_an_error(photographs, tmp_path):
    wild = dataclasses.replace(RECIPE.optimizer, learning_rate=1e30, schedule="constant")
    stop = dataclasses.replace(RECIPE.stop, steps_per_epoch=200)
    with pytest.raises(UserError, match="training diverged"):
        run(photographs, tmp_path / "a", dataclasses.replace(RECIPE, optimizer=wild, stop=stop))


def test_a_run_stops_when_it_no_longer_improves(photographs, tmp_path):
    still = dataclasses.replace(RECIPE.optimizer, learning_rate=1e-30, ema_decay=0.0)
    stop = StopOptions(epochs=50, steps_per_epoch=1, patience=3)
    run(photographs, tmp_path / "a", dataclasses.replace(RECIPE, optimizer=still, stop=stop))
    assert len((tmp_path / "a" / "log.csv").read_text().splitlines()) == 1 + 1 + 3


def test_plateau_halves_the_rate(photographs, tmp_path):
    options = OptimizerOptions(learning_rate=1e-30, schedule="plateau", plateau_epochs=2)
    stop = StopOptions(epochs=6, steps_per_epoch=1)
    run(photographs, tmp_path / "a", dataclasses.replace(RECIPE, optimizer=options, stop=stop))
    lines = (tmp_path / "a" / "log.csv").read_text().splitlines()[1:]
    rates = [float(line.split(",")[4]) for line in lines]
    assert rates == pytest.approx([1e-30, 1e-30, 1e-30, 5e-31, 5e-31, 2.5e-31])


def test_an_epoch_whose_state_was_lost_is_logged_once(photographs, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(photographs, tmp_path / "a", observer=StopAt(2, 0))
    log = tmp_path / "a" / "log.csv"
    log.write_text(log.read_text() + "2,0.1,30,0.9,0.001,1\n")
    run(photographs, tmp_path / "a", resume=True)
    assert [line.split(",")[0] for line in log.read_text().splitlines()] == ["epoch", "1", "2"]


def test_resuming_another_run_is_refused(photographs, tmp_path):
    run(photographs, tmp_path / "a")
    with pytest.raises(UserError, match="another seed"):
        run(photographs, tmp_path / "a", seed=9, resume=True)
    longer = recipes.with_epochs(RECIPE, 5)
    with pytest.raises(UserError, match="another recipe"):
        run(photographs, tmp_path / "a", longer, resume=True)
    (tmp_path / "a" / "state.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(UserError, match="is damaged"):
        run(photographs, tmp_path / "a", resume=True)


@pytest.mark.parametrize("lost", ["optimizer/3", "average/stage1_conv1/bias", "epochs_done"])
def test_a_state_that_lacks_a_part_is_refused(photographs, tmp_path, lost):
    run(photographs, tmp_path / "a")
    path = tmp_path / "a" / "state.safetensors"
    with safe_open(path, framework="numpy") as file:
        description = json.loads(file.metadata()[state.FORMAT])
        arrays = {name: file.get_tensor(name) for name in file.keys() if name != lost}  # noqa: SIM118
    description["progress"].pop(lost, None)
    save_file(arrays, path, metadata={state.FORMAT: json.dumps(description)})
    with pytest.raises(UserError, match=r"damaged|lacks"):
        run(photographs, tmp_path / "a", recipe=RECIPE, resume=True)


def with_data(**changes):
    return dataclasses.replace(RECIPE, data=dataclasses.replace(RECIPE.data, **changes))


def test_too_few_or_too_small_images_are_refused(photographs, tmp_path):
    few = with_data(validation_images=6)
    with pytest.raises(UserError, match="has 6 images and 6 are held out"):
        load_samples(photographs, 2, few)
    one = with_data(validation_images=1)
    for name in "abc":
        Image.new("L", (64, 64)).save(tmp_path / f"{name}.png")
    _, (held_out,) = split_validation(find_pairs(tmp_path, 2), 1, 0)
    Image.new("L", (14, 14)).save(held_out.hr)
    with pytest.raises(UserError, match=r"is too small for validation: 14x14"):
        load_samples(tmp_path, 2, one)
    large = with_data(patch=64)
    with pytest.raises(UserError, match=r"all images .* are smaller than a patch"):
        load_samples(photographs, 2, large)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_train(photographs, tmp_path, backend):
    pytest.importorskip(backend, reason=f"{backend} is not installed")
    recipe = tmp_path / "smoke.toml"
    recipe.write_text(
        'name = "smoke"\nsource = "a test"\nexpand = 4\n[data]\npatch = 16\nbatch = 4\n'
        "validation_images = 2\n[stop]\nepochs = 1\nsteps_per_epoch = 5\n"
    )
    options = ["--data", photographs, "--recipe", recipe, "--out", tmp_path / "run"]
    code = f"import sys; sys.argv = {['edge-sr', 'train', *map(str, options)]!r}\n"
    code += "from edge_sr.cli.main import main; main()"
    environment = {**os.environ, "KERAS_BACKEND": backend}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert result.returncode == 0, result.stderr.decode()
    assert checkpoint.read(tmp_path / "run" / "best.safetensors").spec.name == "tinypssr"


def test_monitor_last_keeps_the_last_epoch(photographs, tmp_path):
    stop = dataclasses.replace(RECIPE.stop, epochs=3, monitor="last")
    recipe = dataclasses.replace(RECIPE, stop=stop)
    _, kept = run(photographs, tmp_path / "a", recipe)
    assert len(kept) == 3
    average = state.read(tmp_path / "a" / "state.safetensors", {}).arrays
    for name, array in kept[-1].items():
        np.testing.assert_array_equal(array, average[f"average/{name}"])
