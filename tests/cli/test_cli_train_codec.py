"""`edge-sr train --model tinycompress` and `edge-sr quantize` on the command line."""

from pathlib import Path

import keras
import numpy as np
import pytest
from command_line import EdgeSr

from edge_sr.models import checkpoint
from edge_sr.training import cae_run
from edge_sr.training import recipe as recipes

RECIPE = """
name = "smoke"
source = "a test"
[loss]
mse = 1.0
luma = 0.5
[latents]
quantized = true
[data]
patch = 16
batch = 4
validation_images = 2
[optimizer]
kind = "soap"
learning_rate = 2e-3
[stop]
epochs = 2
steps_per_epoch = 5
[[phases]]
start = 0.5
batch = 2
"""


CAE_RECIPE = """
name = "tiny"
source = "a test"
[loss]
mse = 0.5
luma = 0.5
[cae]
quantizer = "noise"
channels = 3
narrow = 4
wide = 6
units = 0
decoder_units = 1
qualities = 2
low = 0.001
high = 0.01
hidden = 4
[data]
patch = 32
batch = 2
validation_images = 1
[stop]
epochs = 1
steps_per_epoch = 2
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "smoke.toml"
    path.write_text(RECIPE)
    return path


@pytest.mark.slow
def test_a_codec_is_trained_quantized_and_trained_on_at_another_rate(
    edge_sr: EdgeSr, photographs: Path, recipe: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    options = ["train", "--model", "tinycompress", "--data", photographs, "--recipe", recipe]
    both = [*options, "--rate", 4, "--out", run]
    assert edge_sr(*both, "--int8", "--int8-recipe", recipe).code == 0
    quantized = checkpoint.read(run / "int8" / "best.safetensors")
    assert checkpoint.is_quantized(quantized)
    assert quantized.notes["training"]["rate"] == 4

    deeper = tmp_path / "deeper"
    start = ["--start", run / "best.safetensors"]
    assert edge_sr(*options, "--rate", 16, "--out", deeper, *start).code == 0
    found = checkpoint.read(deeper / "best.safetensors")
    assert found.config.iterations == 2
    first = checkpoint.read(run / "best.safetensors")
    assert found.notes["training"]["start"] == checkpoint.digest(first.weights)

    again = edge_sr("quantize", "--checkpoint", run / "best.safetensors", "--data", photographs)
    assert again.code == 2
    assert "already" in again.err
    resumed = edge_sr(*options, "--rate", 64, "--out", run, "--resume")
    assert resumed.code == 2
    assert "rate" in resumed.err


def test_a_compressive_autoencoder_is_trained_from_a_start(
    edge_sr: EdgeSr, photographs: Path, tmp_path: Path
) -> None:
    text, start, run = tmp_path / "tiny.toml", tmp_path / "start", tmp_path / "run"
    text.write_text(CAE_RECIPE)
    recipe = recipes.load(str(text))
    cae_run.write(start, checkpoint.weights_of(cae_run.build(recipe, keras)), recipe, {})
    options = ["--data", photographs, "--recipe", text, "--start", start / "best.safetensors"]
    done = edge_sr("train", "--model", "cae", *options, "--out", run)
    assert done.code == 0
    assert "bpp" in done.err
    first, found = (checkpoint.read(each / "best.safetensors") for each in (start, run))
    assert found.config == first.config
    assert found.config.channels == 3
    assert 0 < max(np.abs(found.weights[n] - first.weights[n]).max() for n in found.weights) < 0.05
    assert set(cae_run.read_result(run / "best.safetensors").weights) > set(found.weights)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--model", "tinycompress", "--rate", "5"], "no rate 5; it has 4, 16, 64, 256"),
        (["--model", "tinycompress", "--scale", "2"], "has a --rate, and no --scale"),
        (["--model", "tinycompress-encoder"], "train tinycompress"),
        (["--model", "cae-decoder"], "train cae, which has both"),
        (["--model", "cae", "--rate", "4"], "cae takes size and qualities from its recipe"),
        (["--model", "cae", "--recipe", "codec"], "recipe codec has no quantizer for cae"),
        (["--model", "tinypssr", "--rate", "4"], "--rate is for codecs"),
        (["--model", "tinycompress", "--recipe", "nowhere"], "unknown recipe 'nowhere'"),
        (["--model", "tinycompress", "--int8-recipe", "int8-codec"], "give --int8 as well"),
    ],
)
def test_wrong_options_are_refused_and_write_nothing(
    edge_sr: EdgeSr, photographs: Path, tmp_path: Path, options: list[str], word: str
) -> None:
    run = tmp_path / "run"
    result = edge_sr("train", "--data", photographs, "--out", run, *options)
    assert result.code == 2
    assert word in result.err.replace("\n", " ")
    assert not run.exists()
