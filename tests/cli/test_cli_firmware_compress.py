"""`edge-sr firmware` of an encoder."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import standins
from command_line import EdgeSr
from PIL import Image
from test_cli_firmware import cells, needs_tools, number
from tflite_factory import tinypssr

from edge_sr.codec.codec import decompress
from edge_sr.codec.container import unpack
from edge_sr.codec.opening import find
from edge_sr.zoo import catalog

GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Return a folder like that of a shipped codec of rate 16."""
    folder = tmp_path / "tinycompress-16"
    shutil.copytree(GOLDEN / "tinycompress-16", folder)
    return folder


def build(parts: Path, *options: object) -> tuple[object, ...]:
    model = ("--model", parts / "encoder-int8.tflite", "--board", "mps2-an386", "--width", 42)
    return ("firmware", "build", *model, "--out", parts / "firmware", *options)


def test_plan_of_an_encoder_prints_the_ram_of_a_frame(edge_sr: EdgeSr, parts: Path) -> None:
    result = edge_sr("firmware", "plan", parts / "encoder-int8.tflite", "--width", 40)
    assert result.code == 0, result.err
    rows = cells(result.out)
    assert "MACs per pixel" in rows
    arena, latents, row, total = map(number, rows["40x32"])
    assert (latents, row, total) == (10 * 8 * 3, 40 * 3, arena + latents + row)


@pytest.mark.cross
@needs_tools
def test_build_and_run(edge_sr: EdgeSr, parts: Path) -> None:
    result = edge_sr(*build(parts, "--height", 31, "--planes", 6))
    assert result.code == 0, result.err
    assert number(cells(result.out)["RAM: latents"][0]) == 11 * 8 * 3
    picture, file = parts / "picture.png", parts / "picture.tcz"
    Image.fromarray(skimage.data.coffee()[100:129, 200:242]).save(picture)
    run = ("firmware", "run", parts / "firmware")
    result = edge_sr(*run, "--image", picture, "--out", file)
    assert result.code == 0, result.err
    rows = cells(result.out)
    assert rows["latents in the file"] == ["all equal to TFLM's"]
    assert rows["frame"][0].startswith("42x29")
    assert number(rows["file"][0]) == file.stat().st_size
    assert "emulated" in rows["instructions per pixel, network"][0]
    found = unpack(file.read_bytes())
    assert (found.planes, found.header.width, found.header.height) == (6, 42, 29)
    digest = hashlib.sha256((parts / "decoder-int8.tflite").read_bytes()).digest()
    assert (found.header.model_id, found.header.model_hash) == ("tc-16-int8", digest[:8])
    assert decompress(file.read_bytes(), find(model=str(parts))).pixels.shape == (29, 42, 3)
    assert f"{file} exists; --force replaces it" in edge_sr.refuses(*run, "--out", file)
    Image.fromarray(np.zeros((32, 42), np.uint8)).save(picture)
    text = edge_sr.refuses(*run, "--image", picture)
    assert "is 42x32, but the firmware was built for a width of 42 and at most 31 rows" in text


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--rate", 4), "is not an encoder of rate 4; leave --rate out"),
        (("--planes", 0), "0 bit planes cannot be kept; use 1 to 8"),
        (("--height", 0), "a camera's frame has 1 to 65535 rows, not 0"),
        (("--width", 0), "a camera's frame has 1 to 65535 pixels in a row, not 0"),
        (("--decoder", "no.tflite"), "no.tflite"),
    ],
)
def test_encoder_options_out_of_range_are_refused(
    edge_sr: EdgeSr, parts: Path, options: tuple[object, ...], sentence: str
) -> None:
    assert sentence in edge_sr.refuses(*build(parts, *options))
    assert not (parts / "firmware").exists()


def test_a_decoder_that_does_not_belong_is_refused(edge_sr: EdgeSr, parts: Path) -> None:
    wrong = parts / "wrong.tflite"
    wrong.write_bytes(standins.decoder(4))
    text = edge_sr.refuses(*build(parts, "--decoder", wrong))
    assert "the encoder and the decoder of wrong do not fit each other" in text
    (parts / "decoder-int8.tflite").rename(wrong)
    assert "decoder-int8.tflite" in edge_sr.refuses(*build(parts))
    encoder = (parts / "encoder-int8.tflite").rename(parts / "mine.tflite")
    command = ("firmware", "build", "--model", encoder, "--board", "mps2-an386")
    assert f"name that of {encoder} with --decoder" in edge_sr.refuses(*command)


def test_encoder_options_are_refused_for_upscalers(edge_sr: EdgeSr, tmp_path: Path) -> None:
    model = tmp_path / "upscaler.tflite"
    model.write_bytes(tinypssr())
    command = ("firmware", "build", "--model", model, "--board", "mps2-an386", "--height", 9)
    assert "--height, --planes and --decoder are for encoders" in edge_sr.refuses(*command)


def test_shipped_encoders_are_chosen_by_rate(
    edge_sr: EdgeSr, parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "FOLDER", parts)
    plan = ("firmware", "plan", "tinycompress-encoder", "--width", 160)
    for rate in (4, 16):
        shutil.copytree(GOLDEN / f"tinycompress-{rate}", parts / f"tinycompress-{rate}")
    text = edge_sr.refuses(*plan, "--rate", 64)
    assert "available: tinycompress-4, tinycompress-16" in text
    assert "tinycompress-16/encoder" in cells(edge_sr(*plan).out)
    assert "tinycompress-4/encoder" in cells(edge_sr(*plan, "--rate", 4).out)
    assert "tinycompress-4/encoder" in cells(edge_sr("firmware", "plan", "tinycompress-4").out)
    for name in ("tinycompress-4-encoder", "tinycompress-4/encoder"):
        assert "tinycompress-4/encoder" in cells(edge_sr("firmware", "plan", name).out)
    assert "tinycompress-16/encoder" in cells(edge_sr("firmware", "plan", "tinycompress").out)
    assert "no rate 0; available: 4, 16" in edge_sr.refuses(*plan, "--rate", 0)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("tinycompress-16", "--rate", 4), "tinycompress-16 has rate 16, not 4"),
        (("tinycompress-16-encoder", "--rate", 4), "tinycompress-16 has rate 16, not 4"),
        (("tinycompress-decoder",), "not from tinycompress-16/decoder; name tinycompress-16/enc"),
        (("tinycompress-4-decoder",), "not from tinycompress-4/decoder; name tinycompress-4/enc"),
        (("tinycompress-rd",), "tinycompress-rd has no int8 networks; firmware needs int8"),
    ],
)
def test_names_that_are_not_encoders_are_refused(
    edge_sr: EdgeSr, arguments: tuple[object, ...], sentence: str
) -> None:
    assert sentence in edge_sr.refuses("firmware", "plan", *arguments)
    build = ("firmware", "build", "--board", "mps2-an386", "--model", *arguments)
    assert sentence in edge_sr.refuses(*build)
