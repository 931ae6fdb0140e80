"""`edge-sr export` of a codec's encoder and decoder on the command line."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from command_line import EdgeSr

from edge_sr import graph
from edge_sr.models import checkpoint, registry
from edge_sr.models.checkpoint import Checkpoint
from edge_sr.zoo import catalog
from export import manifest, tflite, vectors

STAND_INS = Path(__file__).parents[1] / "golden"
CARD = """
model = "tinycompress"
rate = 4
parameters = 6498
data = "none"
remade_by = []

[quality.int8.kodak]
bpp = 1.25
psnr_y = 28.8
psnr_rgb = 26.31
ms_ssim = 0.97
"""


def write_checkpoint(path: Path, rate: int) -> Path:
    """A checkpoint whose weights nothing reads."""
    spec = registry.get("tinycompress")
    weights = {"quant_encoder_conv1/kernel": np.zeros(1, np.float32)}
    checkpoint.write(path, Checkpoint(spec, spec.config(1, rate=rate), weights, {}))
    return path


@pytest.fixture
def codec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shipped codec with a card and weights, whose parts the converter makes in no time."""

    def convert_part(weights: Checkpoint, part: str, height: int, width: int, int8: bool) -> bytes:
        assert Path(weights.source).is_file()
        kind = "int8" if int8 else "float32"
        model = (STAND_INS / "tinycompress-4" / f"{part}-{kind}.tflite").read_bytes()
        return graph.resize(model, height, width)

    folder = tmp_path / "zoo" / "tinycompress-4"
    shutil.copytree(STAND_INS / "tinycompress-4", folder)
    (folder / "card.toml").write_text(CARD)
    for name in ("float", "int8"):
        write_checkpoint(folder / f"{name}.safetensors", 4)
    monkeypatch.setattr(catalog, "FOLDER", folder.parent)
    monkeypatch.setattr(tflite, "convert_part", convert_part)
    monkeypatch.setattr(vectors, "IMAGES", ("coffee",))
    return folder


def rows(text: str) -> dict[str, str]:
    found = (line.strip("| ").split(" | ", 1) for line in text.splitlines() if line[:2] == "| ")
    return {name.strip(): value.strip() for name, value in found}


def test_the_table_of_an_encoder_is_true(
    edge_sr: EdgeSr, tmp_path: Path, codec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = edge_sr("export", "--model", "tinycompress-encoder", "--rate", "4", "--size", "40x24")
    assert result.code == 0, result.err
    folder = tmp_path / "artifacts" / "tinycompress-4-encoder-int8"
    read = manifest.read(folder / "manifest.json")
    assert {path.suffix for path in folder.iterdir()} == {".tflite", ".onnx", ".c", ".h", ".json"}
    assert (read.model, read.scale, read.parameters) == ("tinycompress-encoder", 0.5, 5427)
    assert (read.input.shape, read.output.shape) == ((1, 24, 40, 3), (1, 12, 20, 3))
    found = rows(result.out)
    assert found["model"] == "tinycompress-encoder x1/2 int8, rate 4"
    assert found["parameters"] == "5,427"
    # 9x9x3x15 + 15x3 for each pixel, 3x3x12x15 + 15x3 for four of them.
    assert found["MACs per input pixel"] == f"{3690 + 1665 / 4:,.10g}"
    # 4, and then 1 at half the size.
    assert found["halo"] == "6 input pixels on each side"
    assert read.tflm_arena is not None
    assert found["TFLM arena at 40x24"].startswith(f"{read.tflm_arena.bytes:,} bytes")
    assert found["codec on kodak, int8"] == (
        "1.250 bpp, PSNR-Y 28.80 dB, PSNR-RGB 26.31 dB, MS-SSIM 0.9700"
    )
    assert "PSNR-RGB of the decoded within" in found[".onnx in ONNX Runtime against TFLM, images"]
    assert "mean" in found[".tflite in LiteRT against TFLM, noise"]


@pytest.mark.parametrize("named", [False, True])
def test_an_export_of_a_part_reads_its_checkpoint_once(
    edge_sr: EdgeSr, tmp_path: Path, codec: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    reads: list[Path] = []
    real = checkpoint.read

    def read(path: Path) -> Checkpoint:
        reads.append(path)
        return real(path)

    monkeypatch.setattr(checkpoint, "read", read)
    weights = codec / "int8.safetensors"
    source = ("--checkpoint", weights) if named else ("--rate", "4")
    result = edge_sr(
        *("export", "--model", "tinycompress-encoder", *source),
        *("--format", "tflite", "--out", tmp_path / "out"),
    )
    assert result.code == 0, result.err
    assert reads == [weights]


def test_a_decoder_of_ones_own_twice_gives_the_same_bytes(
    edge_sr: EdgeSr, tmp_path: Path, codec: Path
) -> None:
    weights = write_checkpoint(tmp_path / "mine.safetensors", 4)
    options = ["--model", "tinycompress-decoder", "--checkpoint", weights, "--float32"]
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        result = edge_sr("export", *options, "--size", "10x6", "--out", folder)
        assert result.code == 0, result.err
    names = sorted(path.name for path in folders[0].iterdir())
    assert "tinycompress-4-decoder-float32.onnx" in names
    for name in names:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
    read = manifest.read(folders[0] / "manifest.json")
    assert (read.scale, read.parameters, read.codec_quality) == (2, 1071, ())
    assert "not measured for these weights" in result.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tinycompress-4"], "name tinycompress-4/encoder or tinycompress-4/decoder"),
        (["tinycompress-encoder", "--rate", "5"], "no rate 5; available: 4, 16, 64, 256"),
        (
            ["tinycompress-encoder", "--rate", "64"],
            "edge-sr has no weights of tinycompress-64; available: tinycompress-4",
        ),
        (["tinycompress-rd-encoder"], "unknown network 'tinycompress-rd-encoder'; available: "),
        (["tinycompress-encoder"], "edge-sr has no weights of tinycompress-16"),
        (["tinycompress-4-encoder", "--rate", "16"], "has rate 4, not 16"),
        (
            ["tinycompress-4-encoder", "--scale", "2"],
            "is a codec, which has no scale; leave --scale out",
        ),
        (["tinycompress-4-encoder", "--size", "31x32"], "multiples of 2, not 31x32"),
        (["tinycompress-4-decoder", "--size", "2049x8"], "at most 2048"),
        (["tinypssr", "--rate", "16"], "edge-sr has no weights of tinypssr-x2"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("codec")
def test_bad_input_is_one_sentence(
    edge_sr: EdgeSr, tmp_path: Path, arguments: list[str], message: str
) -> None:
    folder = tmp_path / "out"
    assert message in edge_sr.refuses("export", "--model", *arguments, "--out", folder)
    assert not folder.exists()


def test_a_checkpoint_that_does_not_fit_is_refused(edge_sr: EdgeSr, tmp_path: Path) -> None:
    weights = write_checkpoint(tmp_path / "mine.safetensors", 4)
    out = ["--out", tmp_path / "out", "--checkpoint"]
    assert "is exported part by part" in edge_sr.refuses("export", *out, weights)
    part = ["--model", "tinycompress-encoder"]
    assert "has rate 4, not 16" in edge_sr.refuses("export", *part, "--rate", "16", *out, weights)
    text = edge_sr.refuses("export", "--model", "tinycompress-rd-encoder", *out, weights)
    assert "with --checkpoint, name tinycompress-encoder" in text
    text = edge_sr.refuses("export", *part, *out, catalog.find("tinypssr-x2").checkpoint("int8"))
    assert "is a checkpoint of tinypssr; one of tinycompress is needed" in text
    text = edge_sr.refuses("export", *part, "--float32", *out, weights)
    assert "is an int8 checkpoint; a float checkpoint is needed" in text
    assert not (tmp_path / "out").exists()


def test_a_codec_without_int8_says_so(edge_sr: EdgeSr, codec: Path) -> None:
    (codec / "int8.safetensors").unlink()
    sentence = edge_sr.refuses("export", "--model", "tinycompress-4-encoder", "--int8")
    assert "tinycompress-4 has no int8 networks; give --float32" in sentence
