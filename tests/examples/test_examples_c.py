"""The examples in C and C++ compile without warnings and give the bytes of the Python library."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_sr.codec import codec, opening
from edge_sr.runtime.opening import open_session
from edge_sr.zoo import catalog

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
CLI = f"{shlex.quote(sys.executable)} -c 'from edge_sr.cli.main import main; main()'"
HEIGHT, WIDTH = 37, 50


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """(H, W, 3) uint8: gradients and noise, with sides that are not multiples of 4."""
    y, x, channel = np.ogrid[:HEIGHT, :WIDTH, :3]
    noise = np.random.default_rng(1).integers(0, 40, (HEIGHT, WIDTH, 3))
    return ((4 * x + 2 * y + 60 * channel + noise) % 256).astype(np.uint8)


@pytest.fixture(scope="module")
def build(image: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build folder of `make`, which has run every program on the image."""
    tools = ("make", "cc", "c++")
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not installed")
    folder = tmp_path_factory.mktemp("examples")
    Image.fromarray(image).save(folder / "image.png")
    flags = ("CFLAGS=-O1 -Werror", "CXXFLAGS=-O1 -Werror")
    names = {"BUILD": folder / "build", "IMAGE": folder / "image.png", "EDGE_SR": CLI}
    command = ["make", "-C", EXAMPLES, *flags, *(f"{key}={names[key]}" for key in names)]
    command.append(f"PYTHON={shlex.quote(sys.executable)}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return folder / "build"


@pytest.mark.parametrize("language", ["c", "cpp"])
def test_an_upscaled_frame_equals_that_of_the_python_session(build: Path, language: str) -> None:
    frame = np.asarray(Image.open(build / "frame.pgm"))
    session = open_session(catalog.find("tinypssr-anchor-x2").file("int8", ".tflite"), "engine")
    quantized = (frame.astype(np.int16) - 128).astype(np.int8)
    expected = session.run(quantized[np.newaxis, :, :, np.newaxis])[0, :, :, 0]
    found = np.asarray(Image.open(build / language / "upscaled.pgm"))
    assert found.shape == (2 * HEIGHT, 2 * WIDTH)
    assert np.array_equal(found, (expected.astype(np.int16) + 128).astype(np.uint8))


@pytest.mark.parametrize("language", ["c", "cpp"])
def test_a_compressed_frame_equals_that_of_the_python_codec(
    build: Path, image: np.ndarray, language: str
) -> None:
    file = (build / language / "frame.tcz").read_bytes()
    assert file == codec.compress(image, opening.find(16))
    assert codec.decompress(file).pixels.shape == image.shape


@pytest.mark.parametrize("program", ["c/upscale_frame", "c/compress_frame", "cpp/upscale_frame"])
def test_a_missing_input_is_an_error_and_not_a_crash(build: Path, program: str) -> None:
    command = [build / program, build / "absent.pgm", build / "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (1, 2)
    assert done.stderr
