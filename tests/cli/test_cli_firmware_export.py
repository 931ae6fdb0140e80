"""`edge-sr firmware export` and `plan --picture` on the command line."""

import platform
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import EdgeSr
from PIL import Image
from random_frames import FrameWriter, Window
from tflite_factory import TfliteWriter, tinypssr

from edge_sr.engine.frame_plan import make_frame_plan
from edge_sr.graph import read_graph
from edge_sr.zoo import catalog

EXPORT = ("firmware", "export", "tinypssr")
ENCODER = catalog.find("tinycompress-16").file("int8", part="encoder")


def test_export_prints_what_it_wrote(edge_sr: EdgeSr, tmp_path: Path) -> None:
    result = edge_sr(*EXPORT, "--target", "cmake", "--out", tmp_path / "library")
    assert result.code == 0, result.err
    assert "computed by the engine and TFLM" in result.out
    assert "engine RAM at width 64" in result.out
    assert "| network                        | tinypssr-x2 " in result.out
    result = edge_sr(*EXPORT, "--target", "cmake", "--engine", "tflm", "--out", tmp_path / "tflm")
    assert result.code == 0, result.err
    assert "CONV_2D, DEPTH_TO_SPACE, PRELU" in result.out
    assert "of margin" in result.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--target", "mbed"],
            "unknown target 'mbed'; available: cmake, arduino, esp-idf",
        ),
        (["--engine", "tvm"], "unknown engine 'tvm'; available: streaming, tflm"),
        (["--scale", "3"], "has no scale 3"),
        (["--width", "0"], "cannot run at width 0; it takes whole numbers from 1"),
        (["--height", "-1"], "64x-1 cannot be the example's frame"),
        (["--width", "2000", "--height", "2000"], "2000x2000 cannot be the example's frame"),
        (["--engine", "tflm", "--width", "0"], "0x0 cannot be the example's frame"),
        (["--ram", "0"], "is not a size in bytes; write 65536, 64K or 1M"),
        (
            ["--ram", "1000"],
            "64 needs 3,368 bytes of RAM, 2,368 more than --ram 1,000; it fits",
        ),
        (["--ram", "1K"], "2,344 more than --ram 1,024; it fits up to a width of"),
        (["--ram", "100"], "it fits at no width"),
        (["--engine", "tflm", "--ram", "65536"], "a smaller --width or --height needs less, and"),
    ],
    ids=str,
)
def test_bad_input_is_one_sentence(
    edge_sr: EdgeSr, tmp_path: Path, arguments: list[str], message: str
) -> None:
    command = (*EXPORT, "--out", tmp_path / "out", "--target", "cmake", *arguments)
    assert message in edge_sr.refuses(*command)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "model", ["tinycompress-16", "tinycompress-16/encoder", "tinycompress-16/decoder", ENCODER]
)
def test_a_codec_is_refused(edge_sr: EdgeSr, tmp_path: Path, model: str | Path) -> None:
    text = edge_sr.refuses(
        "firmware", "export", model, "--target", "cmake", "--out", tmp_path / "out"
    )
    assert f"{Path(model).name if model == ENCODER else model} is not an upscaler" in text
    assert "`edge-sr firmware build` makes firmware of an encoder" in text
    assert list(tmp_path.iterdir()) == []


def test_the_width_named_in_a_refusal_fits(edge_sr: EdgeSr, tmp_path: Path) -> None:
    command = (*EXPORT, "--out", tmp_path / "out", "--target", "cmake", "--ram", 5000, "--width")
    text = edge_sr.refuses(*command, 300)
    fits = int(text.rsplit(" ", 1)[1])
    assert f"up to a width of {fits}" in edge_sr.refuses(*command, fits + 1)
    assert edge_sr(*command, fits).code == 0


def test_an_operator_missing_in_the_engine_is_named(edge_sr: EdgeSr, tmp_path: Path) -> None:
    writer = TfliteWriter(8, 8)
    sums = writer.activation("sums", (1, 8, 8, 1), 1, 0)
    axis = writer.tensor("axis", [1], "int32", [], [], np.array([1], np.int32))
    writer.operator("CUMSUM", [writer.input.index, axis], [sums.index])
    model = tmp_path / "sums.tflite"
    model.write_bytes(writer.finish(sums))
    command = ("firmware", "export", model, "--target", "cmake", "--out", tmp_path / "out")
    text = edge_sr.refuses(*command)
    assert "does not support CUMSUM (operator 0" in text
    assert "--engine tflm writes what TFLM runs" in text
    model.write_bytes(model.read_bytes()[:300])
    assert "not a usable .tflite" in edge_sr.refuses(*command)
    assert list(tmp_path.iterdir()) == [model]


def test_a_float_model_is_refused(edge_sr: EdgeSr, tmp_path: Path) -> None:
    writer = TfliteWriter(8, 8)
    image = writer.depth_to_space(writer.float_island(writer.conv(writer.input, 4, 3)), 2)
    model = tmp_path / "float.tflite"
    model.write_bytes(writer.finish(image))
    for engine in ("streaming", "tflm"):
        command = ("firmware", "export", model, "--target", "cmake", "--engine", engine)
        text = edge_sr.refuses(*command, "--out", tmp_path / "out")
        assert "needs an int8 model, but tensor" in text


def test_an_occupied_output_path_is_refused(edge_sr: EdgeSr, tmp_path: Path) -> None:
    command = (*EXPORT, "--target", "cmake", "--out")
    (tmp_path / "file").write_text("")
    assert "is a file; give a folder" in edge_sr.refuses(*command, tmp_path / "file", "--force")
    assert "is a file" in edge_sr.refuses(*command, tmp_path / "file" / "below")
    text = edge_sr.refuses(*command, tmp_path, "--force")
    assert "holds something other than a library project" in text
    assert edge_sr(*command, tmp_path / "library").code == 0
    assert "exists; --force replaces it" in edge_sr.refuses(*command, tmp_path / "library")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "library"]


def test_force_replaces_what_export_wrote_and_nothing_else(edge_sr: EdgeSr, tmp_path: Path) -> None:
    folder = tmp_path / "library"
    command = (*EXPORT, "--out", folder, "--target")
    assert edge_sr(*command, "cmake").code == 0
    (folder / "old").write_text("")
    assert edge_sr(*command, "arduino").code == 2
    assert (folder / "CMakeLists.txt").is_file()
    assert edge_sr(*command, "arduino", "--force").code == 0
    assert not (folder / "old").exists()
    assert (folder / "library.properties").is_file()
    for text in ("{}", "[]", "\xff", '{"made_by": "me"}'):
        (folder / "edge-sr.json").write_text(text, encoding="latin-1")
        assert edge_sr(*command, "cmake", "--force").code == 2
        assert (folder / "library.properties").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["library"]


def test_without_tflm_only_the_engine_computes_the_output(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tflite_micro", None)
    command = (*EXPORT, "--target", "cmake", "--out", tmp_path / "out")
    text = edge_sr.refuses(*command, "--engine", "tflm")
    assert "`pip install 'edge-sr[tflm]'` installs it" in text
    assert list(tmp_path.iterdir()) == []
    result = edge_sr(*command)
    assert result.code == 0, result.err
    assert "not checked with TFLM: tflite-micro is not installed" in result.out


@pytest.mark.parametrize(("system", "machine"), [("darwin", "x86_64"), ("linux", "aarch64")])
def test_machines_without_a_tflm_wheel_get_no_advice_to_install_it(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, machine: str
) -> None:
    monkeypatch.setitem(sys.modules, "tflite_micro", None)
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    command = (*EXPORT, "--target", "cmake", "--out", tmp_path / "out", "--engine", "tflm")
    text = edge_sr.refuses(*command)
    assert "published for Linux on x86-64 only" in text
    assert "pip install" not in text


def test_file_names_become_c_identifiers(edge_sr: EdgeSr, tmp_path: Path) -> None:
    for stem, ident in (('2 fast"\n@X@', "model_2_fast_x"), ("ESR", "model_esr"), ("é", "model")):
        model = tmp_path / f"{stem}.tflite"
        model.write_bytes(tinypssr(8, 8))
        result = edge_sr(
            *("firmware", "export", model, "--target", "esp-idf", "--out", tmp_path / "out"),
            *("--force",),
        )
        assert result.code == 0, result.err
        assert (tmp_path / "out" / "src" / f"{ident}.h").is_file()


def test_plan_draws_the_arena(edge_sr: EdgeSr, tmp_path: Path) -> None:
    picture = tmp_path / "arena.png"
    command = ("firmware", "plan", "tinypssr", "--width", 64, "--picture")
    result = edge_sr(*command, picture)
    assert (result.code, result.out.splitlines()[-1]) == (0, f"{picture}")
    with Image.open(picture) as image:
        assert image.size[0] > 500
        assert len(image.convert("RGB").getcolors(2**20)) > 10
    assert "exists; --force replaces it" in edge_sr.refuses(*command, picture)
    assert edge_sr(*command, picture, "--force").code == 0
    text = edge_sr.refuses(*command, tmp_path / "arena.txt")
    assert "name a .png, .pdf or .svg file" in text


def test_plan_draws_the_border_of_a_network_of_one_size(edge_sr: EdgeSr, tmp_path: Path) -> None:
    writer = FrameWriter(12, 10, 3)
    image = writer.window_conv(writer.input, Window(stride=(2, 2)), 8, 1, "RELU")
    image = writer.window_conv(image, Window(), 8, 8, "RELU")
    vector = writer.dense(writer.mean(image, keep=False), 4, "NONE")
    model, picture = tmp_path / "own.tflite", tmp_path / "arena.png"
    model.write_bytes(writer.finish(writer.softmax(vector)))
    result = edge_sr("firmware", "plan", model, "--picture", picture)
    assert (result.code, result.out.splitlines()[-1]) == (0, f"{picture}"), result.err
    plan = make_frame_plan(read_graph(model))
    assert f"{plan.arena_bytes:,} bytes" in result.out
    assert "3: operator 0 CONV_2D to operator 2 MEAN (rows)" in result.out
    assert "3: operator 2 MEAN to operator 4 SOFTMAX" in result.out
    with Image.open(picture) as drawn:
        assert len(drawn.convert("RGB").getcolors(2**20)) > 10
    text = edge_sr.refuses("firmware", "plan", model, "--width", 160)
    assert "takes frames of 10x12 only; leave --width" in text
