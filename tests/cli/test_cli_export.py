"""`edge-sr export` on the command line."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import EdgeSr
from tflite_factory import TfliteWriter, tinypssr

from edge_sr.errors import UserError
from edge_sr.graph import read_graph
from edge_sr.models import checkpoint
from edge_sr.models.checkpoint import Checkpoint
from edge_sr.zoo import catalog
from export import manifest, networks, tflite

NAME = "tinypssr-anchor-x2-int8"


@pytest.fixture
def converter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A conversion that takes no TensorFlow: a random network of the size asked for."""

    def convert(checkpoint: Checkpoint, height: int, width: int, int8: bool) -> bytes:
        assert Path(checkpoint.source).is_file()
        assert int8
        return tinypssr(height, width)

    monkeypatch.setattr(tflite, "convert", convert)


@pytest.fixture
def no_conversion(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong must be found before the conversion, which takes long."""

    def convert(*arguments: object) -> bytes:
        raise AssertionError("converted")

    monkeypatch.setattr(tflite, "convert", convert)


@pytest.mark.slow
def test_shipped_weights_come_out_as_the_shipped_artifacts(edge_sr: EdgeSr, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        result = edge_sr("export", "--model", "tinypssr-anchor", "--out", tmp_path / folder)
        assert result.code == 0, result.err
    entry = catalog.find("tinypssr-anchor-x2")
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == sorted(
        [*(NAME + end for end in (".c", ".h", ".onnx", ".tflite")), "manifest.json"]
    )
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    for suffix in (".tflite", ".onnx"):
        shipped = entry.file("int8", suffix).read_bytes()
        assert (tmp_path / "a" / f"{NAME}{suffix}").read_bytes() == shipped


@pytest.mark.slow
def test_float_weights_at_another_size(edge_sr: EdgeSr, tmp_path: Path) -> None:
    result = edge_sr("export", "--float32", "--size", "40x18", "--out", tmp_path)
    assert result.code == 0, result.err
    read = manifest.read(tmp_path / "manifest.json")
    assert (read.precision, read.input.shape) == ("float32", (1, 18, 40, 1))
    assert read.macs_per_frame == 1296 * 18 * 40


@pytest.mark.usefixtures("converter")
def test_the_table_states_costs_quality_and_differences(edge_sr: EdgeSr, tmp_path: Path) -> None:
    result = edge_sr("export", "--size", "20x16", "--out", tmp_path)
    assert result.code == 0, result.err
    rows = dict(
        (part.strip() for part in line.strip("| ").split(" | ", 1))
        for line in result.out.splitlines()
        if line.startswith("| ")
    )
    read = manifest.read(tmp_path / "manifest.json")
    assert rows["parameters"] == "1,356"
    assert rows["MACs per LR pixel"] == "1,296"
    assert rows["MACs per 20x16 frame"] == "414,720"
    assert read.tflm_arena is not None
    assert rows["TFLM arena at 20x16"].startswith(f"{read.tflm_arena.bytes:,} bytes, 64-bit host")
    assert rows["operators"] == "CONV_2D v3, DEPTH_TO_SPACE v2, PRELU v1"
    assert rows["input"] == "int8 [1, 16, 20, 1], scale 0.00392156886, zero point -128"
    assert "LSB" in rows[".onnx in ONNX Runtime against TFLM, noise"]
    assert "dB" in rows[".tflite in LiteRT against TFLM, images"]
    card = catalog.find("tinypssr-anchor-x2").card.scores("int8")["set14"]
    assert f"int8 {card['psnr']:.2f} dB / {card['ssim']:.4f}" in rows["PSNR / SSIM on set14"]
    size = (tmp_path / f"{NAME}.onnx").stat().st_size
    assert rows[f"file {NAME}.onnx"] == f"{size:,} bytes"


@pytest.mark.usefixtures("converter")
def test_formats_and_folder_by_default(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert edge_sr("export", "--format", "c, tflite").code == 0
    found = {path.suffix for path in (tmp_path / "artifacts" / NAME).iterdir()}
    assert found == {".c", ".h", ".tflite", ".json"}
    assert "manifest.json; --force replaces it" in edge_sr.refuses("export", "--format", "c")
    assert edge_sr("export", "--format", "c", "--force").code == 0
    found = {path.suffix for path in (tmp_path / "artifacts" / NAME).iterdir()}
    assert found == {".c", ".h", ".json"}


@pytest.mark.usefixtures("converter")
def test_weights_of_ones_own_have_no_quality(edge_sr: EdgeSr, tmp_path: Path) -> None:
    weights = catalog.find("tinypssr-anchor-x2").checkpoint("int8")
    result = edge_sr("export", "--checkpoint", weights, "--format", "tflite", "--out", tmp_path)
    assert "not measured for these weights" in result.out
    assert manifest.read(tmp_path / "manifest.json").quality == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "resnet"], "unknown network 'resnet'; `edge-sr models` lists"),
        (["--scale", "3"], "has no scale 3; it has 2, 4"),
        (["--format", "coreml"], "unknown format 'coreml'; available: tflite, onnx, c"),
        (["--scale", "0"], "has no scale 0; it has 2, 4"),
        (["--format", ""], "no format is given; available: tflite, onnx, c"),
        (["--size", "0x32"], "'0x32' is not a size; write WIDTHxHEIGHT"),
        (["--size", "32x-1"], "is not a size"),
        (["--size", "4097x32"], "sides up to 4096"),
        (["--size", "99999999999x1"], "is not a size"),
        (["--size", "32"], "is not a size"),
        (["--size", "３２x32"], "is not a size"),
        (["--input-size", "24x40"], "write --size 40x24 for a width of 40"),
        (["--input-size", "8x8", "--size", "8x8"], "give --size alone"),
        (["tinypssr", "--model", "tinypssr"], "name the model once"),
        (["--checkpoint", "absent.safetensors"], "cannot read absent.safetensors: no such file"),
    ],
    ids=str,
)
def test_bad_input_is_one_sentence(
    edge_sr: EdgeSr, tmp_path: Path, arguments: list[str], message: str
) -> None:
    folder = tmp_path / "out"
    assert message in edge_sr.refuses("export", *arguments, "--out", folder)
    assert not folder.exists()


def test_a_checkpoint_of_another_model_is_refused(edge_sr: EdgeSr, tmp_path: Path) -> None:
    weights = catalog.find("tinypssr-anchor-x2").checkpoint("int8")
    for arguments in (["--model", "tinypssr"], ["--scale", "4"]):
        text = edge_sr.refuses(
            "export", *arguments, "--checkpoint", weights, "--out", tmp_path / "out"
        )
        assert "is a checkpoint of tinypssr-anchor x2, not of" in text


@pytest.mark.usefixtures("no_conversion")
def test_an_unwritable_place_is_refused(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    assert "is a file" in edge_sr.refuses("export", "--out", tmp_path / "file")
    for below in ("below", "far/below"):
        text = edge_sr.refuses("export", "--out", tmp_path / "file" / below)
        assert f"{tmp_path / 'file'} is a file" in text
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    assert "not writable" in edge_sr.refuses("export", "--out", tmp_path / "new" / "below")


@pytest.mark.parametrize("module", ["skimage", "onnx", "onnxruntime"])
@pytest.mark.usefixtures("no_conversion")
def test_what_verification_needs_is_missed_before_the_conversion(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    text = edge_sr.refuses("export", "--out", tmp_path / "out")
    extra = "train" if module == "skimage" else "onnx"
    assert f"needs {module}, which is missing" in text
    assert f"pip install 'edge-sr[{extra}]'" in text


@pytest.mark.usefixtures("no_conversion")
def test_all_missing_packages_are_named_at_once(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("safetensors", "tensorflow", "onnx"):
        monkeypatch.setitem(sys.modules, module, None)
    text = edge_sr.refuses("export", "--out", tmp_path / "out")
    assert "needs safetensors, tensorflow, onnx, which are missing" in text
    assert "`pip install 'edge-sr[train,onnx]'` installs them" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--checkpoint", "x.tflite"], "x.tflite is converted already"),
        (["--format", "foo"], "unknown format 'foo'"),
        (["--out", Path(__file__)], "is a file; name another folder"),
        (["tinypssr-x9"], "unknown network 'tinypssr-x9'"),
    ],
    ids=str,
)
def test_arguments_are_checked_before_packages(
    edge_sr: EdgeSr, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    assert message in edge_sr.refuses("export", *arguments)


@pytest.mark.usefixtures("converter")
def test_a_network_without_onnx_needs_no_onnx(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("onnx", "onnxruntime"):
        monkeypatch.setitem(sys.modules, module, None)
    assert edge_sr("export", "--format", "tflite", "--out", tmp_path).code == 0


def test_a_network_that_is_refused_is_not_blamed_on_a_file_of_the_user(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tflite, "convert", lambda *_: tinypssr(8, 8)[:500])
    weights = catalog.find("tinypssr-anchor-x2").checkpoint("int8")
    result = edge_sr("export", "--checkpoint", weights, "--out", tmp_path / "out")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"edge-sr: {weights} makes a network that cannot be used: ")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("converter")
def test_a_checkpoint_tells_its_model_and_scale(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = catalog.find("tinypssr-x2").checkpoint("int8")
    monkeypatch.chdir(tmp_path)
    assert edge_sr("export", "--checkpoint", weights, "--format", "tflite").code == 0
    assert (tmp_path / "artifacts" / "tinypssr-x2-int8" / "manifest.json").is_file()
    large = catalog.find("tinypssr-x4").checkpoint("int8")
    found = networks.find_weights(checkpoint=large)
    assert (found.model, found.id, found.quality) == ("tinypssr", "tinypssr-x4", ())


@pytest.mark.usefixtures("converter")
@pytest.mark.parametrize("named", [False, True])
def test_an_export_reads_its_checkpoint_once(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    reads: list[Path] = []
    real = checkpoint.read

    def read(path: Path) -> Checkpoint:
        reads.append(path)
        return real(path)

    monkeypatch.setattr(checkpoint, "read", read)
    weights = catalog.find("tinypssr-anchor-x2").checkpoint("int8")
    source = ("--checkpoint", weights) if named else ("--model", "tinypssr-anchor")
    result = edge_sr("export", *source, "--format", "c", "--out", tmp_path / "out")
    assert result.code == 0, result.err
    assert reads == [weights]


def test_a_missing_extra_is_named(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    text = edge_sr.refuses("export", "--out", tmp_path / "out")
    assert "pip install 'edge-sr[train]'" in text
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("arithmetic", ["--int8", "--float32"])
def test_a_missing_backend_of_keras_is_one_sentence(tmp_path: Path, arithmetic: str) -> None:
    code = "from edge_sr.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "export", arithmetic, "--out", "out"],
        cwd=tmp_path,
        env={**os.environ, "KERAS_BACKEND": "tensorflaw"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("edge-sr: Keras cannot import its backend 'tensorflaw'; ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_is_not_integer_ends_with_1(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def convert(checkpoint: Path, height: int, width: int, int8: bool) -> bytes:
        writer = TfliteWriter(height, width)
        image = writer.float_island(writer.conv(writer.input, 4, 3))
        return writer.finish(writer.depth_to_space(image, 2))

    monkeypatch.setattr(tflite, "convert", convert)
    result = edge_sr("export", "--out", tmp_path / "out")
    assert (result.code, result.out) == (1, "")
    assert "not fully integer: tensor 4 'island' is float32" in result.err
    assert not (tmp_path / "out").exists()


def test_a_conversion_that_fails_leaves_nothing(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def convert(*arguments: object) -> bytes:
        raise UserError("no")

    monkeypatch.setattr(tflite, "convert", convert)
    edge_sr.refuses("export", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


_IN_A_PIPE = """
import sys
from pathlib import Path
from edge_sr.cli.export import print_table
from edge_sr.cli.main import write_utf8
from export import manifest
write_utf8()
print_table(manifest.read(Path(sys.argv[1])), Path(sys.argv[2]))
"""


@pytest.mark.usefixtures("converter")
def test_non_ascii_survives_a_plain_pipe(edge_sr: EdgeSr, tmp_path: Path) -> None:
    folder = tmp_path / "größe-測試"
    assert edge_sr("export", "--format", "tflite", "--out", folder).code == 0
    for locale in ({"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}, {"PYTHONUTF8": "0"}):
        done = subprocess.run(
            [sys.executable, "-c", _IN_A_PIPE, folder / "manifest.json", folder],
            env={"PATH": os.environ["PATH"], **locale},
            capture_output=True,
            check=True,
        )
        assert str(folder) in done.stdout.decode("utf-8")


@pytest.mark.usefixtures("converter")
def test_the_sums_in_the_manifest_are_those_of_the_files(edge_sr: EdgeSr, tmp_path: Path) -> None:
    assert edge_sr("export", "--out", tmp_path).code == 0
    for file in manifest.read(tmp_path / "manifest.json").files:
        assert hashlib.sha256((tmp_path / file.name).read_bytes()).hexdigest() == file.sha256
    assert read_graph(tmp_path / f"{NAME}.tflite").input.shape == (1, 32, 32, 1)
