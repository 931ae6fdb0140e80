"""`--input-range` of `upscale` and `eval`, and in Python."""

from pathlib import Path

import numpy as np
import pytest
import tflite_factory
from command_line import EdgeSr
from PIL import Image

import edge_sr as package


@pytest.fixture
def unknown(tmp_path: Path) -> Path:
    """An upscaler whose input has a range that is none of pixels; it repeats each pixel."""
    writer = tflite_factory.TfliteWriter(8, 8)
    content = writer.finish(writer.depth_to_space(writer.repeat(writer.input, 4), 2))
    model = tflite_factory.unpack(content)
    for tensor in model.subgraphs[0].tensors:
        tensor.quantization.scale = [0.01]
    path = tmp_path / "unknown.tflite"
    path.write_bytes(tflite_factory.pack(model))
    return path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 22), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    return tmp_path / "in.png"


def test_an_unknown_range_is_refused_until_it_is_stated(
    edge_sr: EdgeSr, tmp_path: Path, unknown: Path, image: Path
) -> None:
    out = tmp_path / "out.png"
    arguments = ("upscale", image, out, "--model", unknown)
    text = edge_sr.refuses(*arguments)
    assert "0..2.55" in text
    assert "--input-range" in text
    assert not out.exists()
    assert edge_sr(*arguments, "--input-range", "0..1").code == 0
    original, large = np.asarray(Image.open(image)), np.asarray(Image.open(out))
    assert np.abs(large[::2, ::2].astype(int) - original).max() <= 2


def test_eval_takes_a_stated_range(edge_sr: EdgeSr, unknown: Path, image: Path) -> None:
    arguments = ("eval", "--data", image.parent, "--model", unknown)
    assert "--input-range" in edge_sr.refuses(*arguments)
    assert edge_sr(*arguments, "--input-range", "0..1").code == 0
    assert "--input-range" in edge_sr.refuses(
        "eval", "--data", image.parent, "--model", "bicubic", "--input-range", "0..1"
    )


def test_the_range_of_the_output_can_be_stated(
    edge_sr: EdgeSr, tmp_path: Path, image: Path
) -> None:
    writer = tflite_factory.TfliteWriter(8, 8)  # its output holds about -0.2..0.3
    path, out = tmp_path / "model.tflite", tmp_path / "out.png"
    path.write_bytes(writer.finish(writer.depth_to_space(writer.conv(writer.input, 4, 3), 2)))
    arguments = ("upscale", image, out, "--model", path)
    assert "--output-range states the range" in edge_sr.refuses(*arguments)
    assert edge_sr(*arguments, "--output-range", "0..1").code == 0
    assert np.asarray(Image.open(out)).max() > 20
    assert edge_sr(*arguments, "--output-range", "0..255", "--force").code == 0
    assert np.asarray(Image.open(out)).max() == 0
    assert "leave --output-range out" in edge_sr.refuses(
        "upscale", image, tmp_path / "other.png", "--output-range", "0..1"
    )


def test_bad_ranges_are_refused(edge_sr: EdgeSr, tmp_path: Path, image: Path) -> None:
    arguments = ("upscale", image, tmp_path / "out.png")
    assert "unknown range of pixels '0..9'" in edge_sr.refuses(*arguments, "--input-range", "0..9")
    assert "leave --input-range out" in edge_sr.refuses(*arguments, "--input-range", "0..255")


def test_python_states_a_range(unknown: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7), np.uint8)
    with pytest.raises(package.EdgeSRError, match="input-range"):
        package.load(f"{unknown}").upscale(pixels)
    large = package.load(f"{unknown}", input_range="0..1").upscale(pixels)
    assert np.abs(large[::2, ::2].astype(int) - pixels).max() <= 2
