"""`edge-sr upscale`: images, folders, models and refusals."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import EdgeSr
from PIL import Image

from edge_sr.runtime.opening import open_session
from edge_sr.upscaling import upscale
from edge_sr.zoo import catalog


@pytest.fixture
def image_file(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 31, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    return tmp_path / "in.png"


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def expected(image_file: Path, scale: int = 2, runtime: str = "litert") -> np.ndarray:
    suffix = ".onnx" if runtime == "onnx" else ".tflite"
    session = open_session(catalog.find(f"tinypssr-anchor-x{scale}").file("int8", suffix), runtime)
    return upscale(session, pixels_of(image_file))


def test_the_default_is_the_int8_anchor_network(
    edge_sr: EdgeSr, image_file: Path, tmp_path: Path
) -> None:
    result = edge_sr("upscale", image_file, tmp_path / "out.png")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert np.array_equal(pixels_of(tmp_path / "out.png"), expected(image_file))


@pytest.mark.parametrize("runtime", ["litert", "onnx", "tflm", "engine"])
def test_each_runtime_at_scale_4(
    edge_sr: EdgeSr, image_file: Path, tmp_path: Path, runtime: str
) -> None:
    edge_sr("upscale", image_file, tmp_path / "out.png", "--runtime", runtime, "--scale", 4)
    assert np.array_equal(pixels_of(tmp_path / "out.png"), expected(image_file, 4, runtime))


@pytest.mark.slow
def test_keras_agrees_with_the_float32_file(
    edge_sr: EdgeSr, image_file: Path, tmp_path: Path
) -> None:
    assert edge_sr("upscale", image_file, tmp_path / "a.png", "--runtime", "keras").code == 0
    assert edge_sr("upscale", image_file, tmp_path / "b.png", "--float32").code == 0
    difference = pixels_of(tmp_path / "a.png").astype(int) - pixels_of(tmp_path / "b.png")
    assert np.abs(difference).max() <= 3  # 1 in luma


def test_a_file_as_model(edge_sr: EdgeSr, image_file: Path, tmp_path: Path) -> None:
    model = tmp_path / "mine.tflite"
    model.write_bytes(catalog.find("tinypssr-anchor-x4").file("int8", ".tflite").read_bytes())
    edge_sr("upscale", image_file, tmp_path / "out.png", "--model", model)
    assert np.array_equal(pixels_of(tmp_path / "out.png"), expected(image_file, 4))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 1), (4, 4)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_tiny_images(edge_sr: EdgeSr, tmp_path: Path, size: tuple[int, int], mode: str) -> None:
    Image.new(mode, size, 200).save(tmp_path / "in.png")
    assert edge_sr("upscale", tmp_path / "in.png", tmp_path / "out.png").code == 0
    with Image.open(tmp_path / "out.png") as image:
        assert (image.size, image.mode) == ((2 * size[0], 2 * size[1]), mode)


def test_a_note_says_what_was_converted(edge_sr: EdgeSr, image_file: Path, tmp_path: Path) -> None:
    with Image.open(image_file) as image:
        image.convert("RGBA").save(image_file)
    result = edge_sr("upscale", image_file, tmp_path / "out.png")
    assert result.code == 0
    assert "transparency was dropped" in result.err


def test_a_folder_keeps_its_structure(edge_sr: EdgeSr, image_file: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "many", tmp_path / "large"
    (source / "sub").mkdir(parents=True)
    with Image.open(image_file) as image:
        image.save(source / "a.png")
        image.save(source / "a.bmp")
        image.save(source / "sub" / "b.tif")
    (source / "notes.txt").write_text("no image")
    result = edge_sr("upscale", source, target)
    assert (result.code, result.out) == (0, "")
    assert result.err == f"edge-sr: skipped {source / 'notes.txt'}: not an image\n"
    written = sorted(path.relative_to(target) for path in target.rglob("*") if path.is_file())
    assert written == [Path("a.bmp.png"), Path("a.png.png"), Path("sub/b.png")]
    assert np.array_equal(pixels_of(target / "sub" / "b.png"), expected(image_file))
    (source / "more.txt").write_text("no image")
    again = edge_sr("upscale", source, target)
    assert f"skipped 2 files that are not images, such as {source / 'more.txt'}\n" in again.err
    assert again.code == 2
    assert "exists; --force replaces it" in again.err
    assert edge_sr("upscale", source, target, "--force").code == 0


def test_a_bad_image_in_a_folder_does_not_stop_the_others(
    edge_sr: EdgeSr, image_file: Path, tmp_path: Path
) -> None:
    source, target = tmp_path / "many", tmp_path / "large"
    source.mkdir()
    image_file.rename(source / "b.png")
    (source / "a.png").write_bytes((source / "b.png").read_bytes()[:200])
    (source / "c.jpg").write_bytes(b"")
    result = edge_sr("upscale", source, target)
    assert result.code == 2
    assert [path.name for path in target.iterdir()] == ["b.png"]
    lines = result.err.splitlines()
    assert len(lines) == 3
    assert "a.png is damaged or truncated" in lines[0]
    assert "c.jpg" in lines[1]
    assert "2 of 3 images could not be upscaled" in lines[2]


def test_results_inside_the_folder_are_not_upscaled_again(
    edge_sr: EdgeSr, image_file: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        assert edge_sr("upscale", tmp_path, tmp_path / "large", "--force").code == 0
    assert [path.name for path in (tmp_path / "large").rglob("*")] == ["in.png"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--model", "edsr9"], "unknown network 'edsr9'; `edge-sr models` lists"),
        (["--model", "edsr9"], "or name a .tflite, .onnx or .safetensors file"),
        (["--model", "none.tflite"], "none.tflite: no such file"),
        (["--model", "some/model.h5"], "name a .tflite, .onnx or .safetensors file"),
        (["--scale", "3"], "no scale 3; it has 2, 4"),
        (["--scale", "0"], "no scale 0; it has 2, 4"),
        (["--runtime", "tpu"], "unknown runtime 'tpu'; available: litert"),
        (["--threads", "0"], "takes 1 to 64 threads, not 0"),
        (["--threads", "5000"], "takes 1 to 64 threads, not 5000"),
        (["--runtime", "engine", "--float32"], "the runtime engine computes in int8; leave"),
        (["--runtime", "tflm", "--threads", "2"], "takes only 1 thread, not 2"),
        (["--runtime", "keras", "--int8"], "computes in float32; leave --int8 out"),
    ],
)
def test_invalid_or_contradicting_options_are_refused(
    edge_sr: EdgeSr, image_file: Path, tmp_path: Path, options: list[str], sentence: str
) -> None:
    assert sentence in edge_sr.refuses("upscale", image_file, tmp_path / "out.png", *options)
    assert list(tmp_path.iterdir()) == [image_file]


def test_a_file_that_contradicts_the_options_is_refused(
    edge_sr: EdgeSr, image_file: Path, tmp_path: Path
) -> None:
    model = catalog.find("tinypssr-x2").file("int8", ".tflite")
    command = ("upscale", image_file, tmp_path / "out.png", "--model", model)
    assert "upscales x2, not x4" in edge_sr.refuses(*command, "--scale", 4)
    assert "computes in int8, not in float32" in edge_sr.refuses(*command, "--float32")
    assert "opens .onnx files" in edge_sr.refuses(*command, "--runtime", "onnx")


def test_options_are_checked_before_the_output(
    edge_sr: EdgeSr, image_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    out.write_bytes(b"kept")
    command = ("upscale", image_file, out)
    assert "unknown network" in edge_sr.refuses(*command, "--model", "edsr9")
    assert "upscales x2, not x4" in edge_sr.refuses(
        *command, "--model", "tinypssr-x2", "--scale", 4
    )
    assert "unknown runtime" in edge_sr.refuses(*command, "--runtime", "tpu")
    assert "takes 1 to 64 threads" in edge_sr.refuses(*command, "--threads", 0)
    assert "no such file" in edge_sr.refuses("upscale", tmp_path / "none.png", out)
    assert "out.png exists" in edge_sr.refuses(*command)


def test_a_folder_is_not_written_to_a_name_of_a_file(edge_sr: EdgeSr, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for command, name in (("upscale", "o.png"), ("compress", "c.tcz"), ("decompress", "o.JPG")):
        text = edge_sr.refuses(command, source, tmp_path / name)
        assert f"{name} is the name of a file; name a folder, as {source} is one" in text


@pytest.mark.parametrize("command", ["upscale", "eval"])
@pytest.mark.parametrize("options", [[], ["--runtime", "keras"]], ids=["by suffix", "by name"])
def test_keras_refuses_a_quantization_aware_trained_checkpoint(
    edge_sr: EdgeSr,
    image_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    options: list[str],
) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)  # nothing heavy is loaded before the refusal
    model = catalog.find("tinypssr-anchor-x2").checkpoint("int8")
    inputs = (image_file, tmp_path / "out.png") if command == "upscale" else ("--data", tmp_path)
    assert edge_sr.refuses(command, *inputs, "--model", model, *options) == (
        f"edge-sr: {model} is a quantization-aware trained checkpoint; the keras runtime takes a "
        "float checkpoint; `edge-sr export` makes a .tflite of this one\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflaw", "torch"])
def test_a_missing_backend_of_keras_is_one_sentence(image_file: Path, backend: str) -> None:
    code = "import sys; sys.modules['torch'] = None; from edge_sr.cli.main import main; main()"
    command = [sys.executable, "-c", code, "upscale", "in.png", "out.png", "--runtime", "keras"]
    done = subprocess.run(
        command,
        cwd=image_file.parent,
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"edge-sr: Keras cannot import its backend {backend!r}; ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("share", [0, 0.5, 0.97])
@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
@pytest.mark.parametrize("command", ["upscale", "eval"])
def test_a_truncated_model_is_refused(
    edge_sr: EdgeSr, image_file: Path, tmp_path: Path, command: str, suffix: str, share: float
) -> None:
    data = catalog.find("tinypssr-x2").file("int8", suffix).read_bytes()
    model = tmp_path / f"cut{suffix}"
    model.write_bytes(data[: int(share * len(data))])
    inputs = (image_file, tmp_path / "out.png") if command == "upscale" else ("--data", tmp_path)
    assert f"cut{suffix}" in edge_sr.refuses(command, *inputs, "--model", model)
    assert not (tmp_path / "out.png").exists()


def test_a_model_with_a_wrong_identifier_is_refused(
    edge_sr: EdgeSr, image_file: Path, tmp_path: Path
) -> None:
    data = bytearray(catalog.find("tinypssr-x2").file("int8", ".tflite").read_bytes())
    data[4:8] = b"TFL9"
    model = tmp_path / "odd.tflite"
    model.write_bytes(data)
    sentence = edge_sr.refuses("upscale", image_file, tmp_path / "out.png", "--model", model)
    assert "odd.tflite" in sentence
    assert "TFL3" in sentence


def test_unusable_paths_are_refused(edge_sr: EdgeSr, image_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    assert "no such file or folder" in edge_sr.refuses("upscale", tmp_path / "none.png", out)
    assert "does not exist" in edge_sr.refuses("upscale", image_file, tmp_path / "no" / "out.png")
    assert "does not exist" in edge_sr.refuses("upscale", image_file, image_file / "out.png")
    assert "unknown suffix; use one of" in edge_sr.refuses(
        "upscale", image_file, tmp_path / "out.txt"
    )
    assert "it is a folder" in edge_sr.refuses("upscale", image_file, _folder(tmp_path / "f.png"))
    folder = _folder(tmp_path / "folder")
    sentence = edge_sr.refuses("upscale", image_file, folder)
    assert sentence == f"edge-sr: cannot write {folder}: it is a folder; name a file\n"
    assert "name a folder" in edge_sr.refuses("upscale", tmp_path, image_file)
    empty = _folder(tmp_path / "empty")
    assert "holds no image" in edge_sr.refuses("upscale", empty, tmp_path / "large")


def test_unusable_output_folders_are_refused(
    edge_sr: EdgeSr, image_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = _folder(tmp_path / "many")
    for name in ("a.png", "b.png"):
        (source / name).write_bytes(image_file.read_bytes())
    sentence = edge_sr.refuses("upscale", source, image_file / "large")
    assert f"{image_file} is a file; name another folder" in sentence
    assert "File name too long" in edge_sr.refuses("upscale", source, tmp_path / ("x" * 300))
    assert "File name too long" in edge_sr.refuses("upscale", image_file, f"{'x' * 300}.png")
    monkeypatch.chdir(source)
    for target in (source, "."):
        assert "input and output are both" in edge_sr.refuses("upscale", source, target)
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    assert "not writable" in edge_sr.refuses("upscale", source, tmp_path / "large" / "below")


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_an_existing_output_needs_force(edge_sr: EdgeSr, image_file: Path, tmp_path: Path) -> None:
    (tmp_path / "out.png").write_text("keep me")
    sentence = edge_sr.refuses("upscale", image_file, tmp_path / "out.png")
    assert "exists; --force replaces it" in sentence
    assert (tmp_path / "out.png").read_text() == "keep me"
    assert edge_sr("upscale", image_file, tmp_path / "out.png", "--force").code == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(edge_sr: EdgeSr, image_file: Path, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "locked")
    folder.chmod(0o500)
    assert "not writable" in edge_sr.refuses("upscale", image_file, folder / "out.png")


def test_an_animated_image_is_refused(edge_sr: EdgeSr, tmp_path: Path) -> None:
    frames = [Image.new("L", (9, 9), shade) for shade in (0, 255)]
    frames[0].save(tmp_path / "in.gif", save_all=True, append_images=frames[1:])
    assert "several frames" in edge_sr.refuses("upscale", tmp_path / "in.gif", tmp_path / "out.png")
