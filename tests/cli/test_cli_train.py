"""`edge-sr train` and `edge-sr quantize` on the command line."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import EdgeSr

from edge_sr.models import checkpoint, registry
from edge_sr.runtime.opening import open_session
from edge_sr.runtime.pixels import run_plane
from edge_sr.zoo import catalog
from export.tflite import convert

RECIPE = """
name = "smoke"
source = "a test"
expand = 4
[loss]
mae = 1.0
ssim = 0.1
[data]
patch = 16
batch = 4
validation_images = 2
[optimizer]
learning_rate = 2e-3
schedule = "cosine"
[stop]
epochs = 2
steps_per_epoch = 5
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "smoke.toml"
    path.write_text(RECIPE)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("scale", [2, 4])
def test_train_then_quantize_then_convert_photographs_to_an_int8_model(
    edge_sr: EdgeSr, photographs: Path, recipe: Path, tmp_path: Path, scale: int
) -> None:
    run = tmp_path / "run"
    options = ["--data", photographs, "--scale", scale, "--recipe", recipe]
    assert edge_sr("train", *options, "--out", run).code == 0
    best = run / "best.safetensors"
    assert checkpoint.read(best).notes["training"]["seed"] == 0
    with (run / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(float(row["psnr"]) > 5 and 0 < float(row["ssim"]) < 1 for row in rows)

    quantizing = ["--checkpoint", best, "--data", photographs, "--recipe", recipe]
    result = edge_sr("quantize", *quantizing)
    assert (result.code, result.out.strip()) == (0, str(run / "int8" / "best.safetensors"))
    path = tmp_path / "int8.tflite"
    path.write_bytes(convert(checkpoint.read(run / "int8" / "best.safetensors"), 16, 16, int8=True))
    plane = np.zeros((20, 30), np.uint8)
    assert run_plane(open_session(path, "litert"), plane).shape == (20 * scale, 30 * scale)


@pytest.mark.slow
def test_train_with_int8_resumes_wherever_it_stopped(
    edge_sr: EdgeSr, photographs: Path, recipe: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    options = ["train", "--data", photographs, "--recipe", recipe, "--out", run]
    both = [*options, "--int8", "--int8-recipe", recipe]
    assert edge_sr(*options).code == 0
    assert edge_sr(*both, "--resume").code == 0  # quantization had not begun
    quantized = (run / "int8" / "best.safetensors").read_bytes()
    assert edge_sr(*both, "--force").code == 0
    assert (run / "int8" / "best.safetensors").read_bytes() == quantized
    (run / "int8" / "best.safetensors").unlink()
    result = edge_sr(*both, "--resume")
    assert result.code == 2
    assert result.err.startswith("edge-sr: ")
    assert result.err.endswith("is gone from a complete run; --force trains it anew\n")


@pytest.mark.slow
def test_training_prints_nothing_of_tensorflows(
    photographs: Path, recipe: Path, tmp_path: Path
) -> None:
    options = ["--data", str(photographs), "--recipe", str(recipe)]
    run = ["--out", str(tmp_path / "run")]
    quantize = ["quantize", "--checkpoint", str(tmp_path / "run" / "best.safetensors"), *options]
    for arguments in (["train", *options, *run], quantize):
        code = f"import sys; sys.argv = {['edge-sr', *arguments]!r}\n"
        code += "from edge_sr.cli.main import main; main()"
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        lines = [line for line in result.stderr.splitlines() if not line.startswith("epoch ")]
        assert lines == [], lines


@pytest.mark.slow
def test_an_existing_run_is_kept_unless_forced(
    edge_sr: EdgeSr, photographs: Path, recipe: Path, tmp_path: Path
) -> None:
    run, link = tmp_path / "run", tmp_path / "link"
    link.symlink_to(run)
    options = ["train", "--data", photographs, "--recipe", recipe, "--out", link]
    run.mkdir()
    (run / "notes.txt").write_text("mine")
    assert edge_sr(*options, "--epochs", 1).code == 0
    before = (run / "best.safetensors").read_bytes()
    assert "--resume continues" in edge_sr.refuses(*options)
    assert "give one of them" in edge_sr.refuses(*options, "--force", "--resume")
    assert (run / "best.safetensors").read_bytes() == before
    assert edge_sr(*options, "--seed", 1, "--force", "--tensorboard").code == 0
    assert (run / "best.safetensors").read_bytes() != before
    assert list((run / "tensorboard").iterdir())
    assert (run / "notes.txt").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.parametrize("again", ["--resume", "--force"])
def test_a_run_interrupted_in_its_first_epoch_can_be_resumed_or_replaced(
    edge_sr: EdgeSr,
    photographs: Path,
    recipe: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    again: str,
) -> None:
    options = ["train", "--data", photographs, "--recipe", recipe, "--out", tmp_path / "run"]
    options += ["--tensorboard"]

    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("edge_sr.cli.progress.TrainingDisplay.chunk", interrupt)
        result = edge_sr(*options)
    assert result.code == 130
    assert "edge-sr: interrupted; --resume continues" in result.err
    assert edge_sr(*options, again).code == 0


def test_inputs_are_never_overwritten(edge_sr: EdgeSr, photographs: Path, tmp_path: Path) -> None:
    spec = registry.get("tinypssr")
    weights = {"stage1_conv1/bias": np.zeros(16, np.float32)}
    path = tmp_path / "best.safetensors"
    checkpoint.write(path, checkpoint.Checkpoint(spec, spec.config(2), weights, {}))
    options = ["--checkpoint", path, "--data", photographs, "--out", tmp_path, "--force"]
    assert "would be overwritten" in edge_sr.refuses("quantize", *options)
    assert checkpoint.read(path).spec == spec


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "tinypsr"], "unknown model 'tinypsr'"),
        (["--scale", "3"], "no scale 3; it has 2, 4"),
        (["--model", "wdsr-a", "--blocks", "0"], "1 to 32 blocks, not 0"),
        (["--model", "espcn-tiny", "--width", "8"], "no width 8; it has 9, 21, 27"),
        (["--blocks", "3"], "tinypssr-anchor has no option blocks; it has activation, scale"),
        (["--model", "tinycompress", "--blocks", "3"], "is a codec: it has a --rate, and no"),
        (["--recipe", "fast"], "unknown recipe 'fast'"),
        (["--epochs", "0"], "epochs must be at least 1"),
        (["--resume"], "there is nothing to resume"),
        (["--data", "nowhere"], "nowhere"),
        (["--seed", "-1"], "seed"),
        (["--int8-recipe", "int8-x2"], "give --int8 as well"),
    ],
)
def test_wrong_options_of_train(
    edge_sr: EdgeSr, photographs: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    run = tmp_path / "run"
    if "--data" not in options:
        options = [*options, "--data", str(photographs)]
    if "--recipe" not in options:
        small = tmp_path / "small.toml"
        small.write_text(RECIPE)
        options = [*options, "--recipe", str(small)]
    result = edge_sr("train", "--out", run, *options)
    assert result.code == 2
    assert message in result.err
    assert not run.exists()


def test_wrong_folders_for_a_run(edge_sr: EdgeSr, photographs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    options = ["train", "--data", photographs, "--out"]
    assert "is a file; name another folder" in edge_sr.refuses(*options, tmp_path / "file")
    assert "cannot write to" in edge_sr.refuses(*options, tmp_path / "file" / "run")


def test_a_keras_backend_that_is_missing(photographs: Path, tmp_path: Path) -> None:
    arguments = ["edge-sr", "train", "--data", str(photographs), "--out", str(tmp_path / "run")]
    code = f"import sys; sys.argv = {arguments!r}; from edge_sr.cli.main import main; main()"
    environment = {**os.environ, "KERAS_BACKEND": "foo"}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert result.returncode == 2
    assert b"KERAS_BACKEND may be tensorflow, jax or torch" in result.stderr
    assert result.stderr.count(b"\n") == 1


def test_a_folder_without_images(edge_sr: EdgeSr, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    result = edge_sr("train", "--data", empty, "--out", tmp_path / "run")
    assert result.code == 2
    assert "empty" in result.err


def test_a_recipe_of_float_training_is_refused_for_quantization(
    edge_sr: EdgeSr, photographs: Path, tmp_path: Path
) -> None:
    checkpoint_file = catalog.find("tinypssr-x2").checkpoint("float32")
    options = ["--data", photographs, "--recipe", "rounded-x2", "--out", tmp_path / "run"]
    text = edge_sr.refuses("quantize", "--checkpoint", checkpoint_file, *options)
    assert "`rounded`, which is for float training" in text
    assert not (tmp_path / "run").exists()


def test_wrong_checkpoints_for_quantize(edge_sr: EdgeSr, photographs: Path, tmp_path: Path) -> None:
    spec = registry.get("tinypssr")
    weights = {"stage1_conv1/bias": np.full(16, np.nan, np.float32)}
    checkpoint.write(
        tmp_path / "nan.safetensors", checkpoint.Checkpoint(spec, spec.config(2), weights, {})
    )
    (tmp_path / "empty.safetensors").write_bytes(b"")
    for name, message in (
        ("nan", "values that are not finite"),
        ("empty", "not a checkpoint"),
        ("missing", "no such file"),
    ):
        path = tmp_path / f"{name}.safetensors"
        result = edge_sr("quantize", "--checkpoint", path, "--data", photographs)
        assert result.code == 2
        assert message in result.err
    assert not (tmp_path / "int8").exists()


def test_a_missing_extra_names_the_pip_line(
    edge_sr: EdgeSr, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    result = edge_sr("train", "--data", photographs, "--out", tmp_path / "run")
    assert result.code == 2
    assert "pip install 'edge-sr[train]'" in result.err
    for model in ("tinypssr", "tinycompress"):
        text = edge_sr.refuses("train", "--model", model, "--data", tmp_path / "none")
        assert "none is not a folder; a folder with images is needed" in text


def test_a_recipe_with_a_teacher_needs_one_and_others_refuse_it(
    edge_sr: EdgeSr, photographs: Path, recipe: Path, tmp_path: Path
) -> None:
    options = ["train", "--data", photographs, "--out", tmp_path / "run"]
    alone = edge_sr.refuses(*options, "--recipe", recipe, "--teacher", "tinypssr-anchor")
    assert "has no teacher; leave out --teacher" in alone
    distilled = tmp_path / "distilled.toml"
    distilled.write_text("teacher = 0.5\n" + recipe.read_text())
    assert "name it with --teacher" in edge_sr.refuses(*options, "--recipe", distilled)
    named = [*options, "--recipe", distilled, "--teacher"]
    assert "unknown network 'nobody'" in edge_sr.refuses(*named, "nobody")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_teacher_changes_what_is_learned(
    edge_sr: EdgeSr, photographs: Path, recipe: Path, tmp_path: Path
) -> None:
    distilled = tmp_path / "distilled.toml"
    distilled.write_text("teacher = 0.5\n" + recipe.read_text())
    results = []
    for name, options in (
        ("alone", ["--recipe", recipe]),
        ("distilled", ["--recipe", distilled, "--teacher", "tinypssr-anchor"]),
    ):
        out = tmp_path / name
        assert edge_sr("train", "--data", photographs, "--out", out, *options).code == 0
        results.append((out / "log.csv").read_text())
    assert results[0] != results[1]


@pytest.mark.slow
def test_training_starts_from_shipped_weights(
    edge_sr: EdgeSr, photographs: Path, recipe: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain.toml"
    plain.write_text(RECIPE.replace("expand = 4", "rounded = true").replace("2e-3", "1e-6"))
    shipped = catalog.find("tinypssr-anchor-x2").checkpoint("float32")
    run = tmp_path / "run"
    options = ["train", "--data", photographs, "--recipe", plain, "--out", run, "--start", shipped]
    assert edge_sr(*options).code == 0
    before, after = (checkpoint.read(path).weights for path in (shipped, run / "best.safetensors"))
    for name, weights in before.items():
        np.testing.assert_allclose(after[name], weights, atol=1e-4)
    assert any((after[name] != weights).any() for name, weights in before.items())

    (run / "best.safetensors").rename(tmp_path / "other.safetensors")
    other = [*options[:-1], tmp_path / "other.safetensors", "--resume"]
    assert "other" in edge_sr.refuses(*other)  # a run is bound to its initial weights


def test_weights_that_training_cannot_start_from(
    edge_sr: EdgeSr, photographs: Path, recipe: Path, tmp_path: Path
) -> None:
    options = ["train", "--data", photographs, "--out", tmp_path / "run", "--start"]
    shipped = catalog.find("tinypssr-anchor-x2")
    plain = tmp_path / "plain.toml"
    plain.write_text(RECIPE.replace("expand = 4", ""))
    for checkpoint_file, chosen, message in (
        (shipped.checkpoint("float32"), recipe, "set expand = 0"),
        (shipped.folder / "int8.safetensors", plain, "is an int8 checkpoint"),
        (
            catalog.find("tinypssr-anchor-x4").checkpoint("float32"),
            plain,
            "is a checkpoint of tinypssr-anchor x4",
        ),
        (tmp_path / "none.safetensors", plain, "no such file"),
    ):
        assert message in edge_sr.refuses(*options, checkpoint_file, "--recipe", chosen)
    assert not (tmp_path / "run").exists()
