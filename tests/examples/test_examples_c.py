"""The examples in C and C++ compile without warnings and give the bytes of the Python library."""

import os
import re
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
    make(folder / "build", folder / "image.png", *flags)
    return folder / "build"


def make(build: Path, image: Path, *flags: str) -> None:
    names = {"BUILD": build, "IMAGE": image, "EDGE_SR": CLI}
    command = ["make", "-C", EXAMPLES, *flags, *(f"{key}={names[key]}" for key in names)]
    command.append(f"PYTHON={shlex.quote(sys.executable)}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]


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


PROGRAMS = ["c/upscale_frame", "c/compress_frame", "cpp/upscale_frame", "cpp/compress_frame"]


def run(*command: object) -> subprocess.CompletedProcess[str]:
    parts = [str(part) for part in command]
    return subprocess.run(parts, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_says_what_is_wrong_with_its_input(build: Path, program: str) -> None:
    done = run(build / program)
    assert (done.returncode, done.stderr[:6]) == (2, "usage:")
    kind = "P5" if "upscale" in program else "P6"
    cases = {
        "cut": (f"{kind}\n4 4\n255\nabc", "ends before its last pixel"),
        "text": ("a text", f"not a binary {kind} image of 8 bits"),
        "empty": (f"{kind}\n0 4\n255\n", f"not a binary {kind} image of 8 bits"),
        "deep": (f"{kind}\n4 4\n65535\nabc", f"not a binary {kind} image of 8 bits"),
    }
    for name, (content, message) in cases.items():
        path = build / name
        path.write_text(content, encoding="ascii")
        done = run(build / program, path, build / "out")
        assert done.returncode == 1
        assert str(path) in done.stderr
        assert message in done.stderr
    done = run(build / program, build / "absent", build / "out")
    assert done.returncode == 1
    assert str(build / "absent") in done.stderr
    assert not (build / "out").exists()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_comment_in_the_header_of_an_image_is_skipped(build: Path, program: str) -> None:
    suffix = ".pgm" if "upscale" in program else ".ppm"
    frame = build / f"frame{suffix}"
    kind, rest = frame.read_bytes().split(maxsplit=1)
    commented = build / f"commented{suffix}"
    commented.write_bytes(kind + b"\n# Created by GIMP\n# twice\n" + rest)
    outputs = []
    for source in (frame, commented):
        done = run(build / program, source, build / "output")
        assert done.returncode == 0, done.stderr
        outputs.append((build / "output").read_bytes())
        (build / "output").unlink()
    assert outputs[0] == outputs[1]


def test_another_image_is_used_even_if_its_file_is_older(
    build: Path, image: np.ndarray, tmp_path: Path
) -> None:
    copy = tmp_path / "build"
    shutil.copytree(build, copy)
    Image.fromarray(255 - image).save(tmp_path / "other.png")
    os.utime(tmp_path / "other.png", (0, 0))
    make(copy, tmp_path / "other.png")
    assert np.array_equal(np.asarray(Image.open(copy / "frame.ppm")), 255 - image)
    decoded = codec.decompress((copy / "c" / "frame.tcz").read_bytes()).pixels
    earlier = codec.decompress((build / "c" / "frame.tcz").read_bytes()).pixels
    assert not np.array_equal(decoded, earlier)


@pytest.mark.parametrize("program", ["python/upscale", "python/compress", "c/write_encoder"])
def test_a_python_program_without_arguments_prints_its_usage(program: str) -> None:
    done = run(sys.executable, EXAMPLES / f"{program}.py")
    assert done.returncode == 1
    assert "usage: python " in done.stderr
    assert "Traceback" not in done.stderr


def test_the_encoder_is_not_written_over_a_folder(tmp_path: Path) -> None:
    command = [sys.executable, EXAMPLES / "c" / "write_encoder.py", tmp_path]
    assert run(*command).returncode == 0
    done = run(*command)
    assert done.returncode == 1
    assert done.stderr == f"{tmp_path / 'src'} exists; name another folder\n"


def test_the_commands_of_the_page_run_one_after_the_other(
    image: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("cc") is None:
        pytest.skip("cc is not installed")
    folder, tools = tmp_path / "examples", tmp_path / "bin"
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("build"))
    Image.fromarray(image).save(folder / "photo.jpg")
    tools.mkdir()
    for name, program in {"edge-sr": CLI, "python": shlex.quote(sys.executable)}.items():
        (tools / name).write_text(f'#!/bin/sh\nexec {program} "$@"\n', encoding="utf-8")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^\$ (.*)$", page, re.M)
    assert len(commands) == 11
    for command in commands:
        done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stderr}"
    assert np.asarray(Image.open(folder / "large.png")).shape == (2 * HEIGHT, 2 * WIDTH, 3)
    assert np.asarray(Image.open(folder / "frame.png")).shape == image.shape
