"""`edge-sr firmware` on the command line."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from command_line import EdgeSr
from PIL import Image
from tflite_factory import TfliteWriter, Value, tinypssr

from edge_sr.errors import UserError, VerificationError
from edge_sr.graph import read_graph
from edge_sr.runtime.arena import arena_bytes
from edge_sr.zoo import catalog
from firmware_harness import board_file
from firmware_harness import build as building
from firmware_harness.frames import read_frame

TOOLS = ("arm-none-eabi-gcc", "qemu-system-arm")
BUILD = ("firmware", "build", "--model", "tinypssr")

cross = pytest.mark.cross
needs_tools = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in TOOLS), reason=f"needs {' and '.join(TOOLS)}"
)


def cells(text: str) -> dict[str, list[str]]:
    """Return the rows of all tables, by their first cell."""
    lines = [line.strip("| ").split("|") for line in text.splitlines() if line.startswith("| ")]
    return {first.strip(): [cell.strip() for cell in rest] for first, *rest in lines}


def number(text: str) -> int:
    return int(text.split()[0].replace(",", ""))


@pytest.fixture
def firmware(edge_sr: EdgeSr, tmp_path: Path) -> Path:
    """Build TinyPSSR x2 for a width of 24 on a Cortex-M4."""
    folder = tmp_path / "firmware"
    result = edge_sr(*BUILD, "--board", "mps2-an386", "--width", 24, "--out", folder)
    assert result.code == 0, result.err
    return folder


def test_plan_prints_the_arena_of_engine_and_tflm(edge_sr: EdgeSr, tmp_path: Path) -> None:
    model = tmp_path / "my.tflite"
    model.write_bytes(tinypssr(12, 16))
    result = edge_sr("firmware", "plan", model, "--width", 16, "--width", 160)
    assert result.code == 0, result.err
    rows = cells(result.out)
    assert rows["MACs per LR pixel"] == ["1,296"]
    assert rows["latency"] == ["4 input rows"]
    assert number(rows["16x12"][1]) == arena_bytes(model.read_bytes())
    assert 41 * 160 < number(rows["160x120"][0]) < 9_000
    assert rows["160x120"][2] == f"{number(rows['160x120'][1]) / number(rows['160x120'][0]):.0f}"
    assert rows["operator 2 CONV_2D, operator 3 PRELU"][0] == "5"


def test_the_weights_of_an_upscaler_cannot_be_compact(edge_sr: EdgeSr) -> None:
    plan = ("firmware", "plan", "tinypssr", "--width", 16)
    assert edge_sr(*plan, "--weights", "expanded").out == edge_sr(*plan).out != ""
    assert "are for networks of one size" in edge_sr.refuses(*plan, "--weights", "compact")
    assert "unknown weights 'tiny'" in edge_sr.refuses(*plan, "--weights", "tiny")


def test_plan_of_a_shipped_name_prints_three_widths_by_default(edge_sr: EdgeSr) -> None:
    rows = cells(edge_sr("firmware", "plan", "tinypssr", "--scale", 4).out)
    assert "tinypssr-x4" in rows
    assert {"160x120", "320x240", "640x480"} <= set(rows)


def test_the_model_is_an_argument_or_an_option(edge_sr: EdgeSr, tmp_path: Path) -> None:
    width = ("--width", 16)
    named = edge_sr("firmware", "plan", "tinypssr", *width).out
    assert edge_sr("firmware", "plan", "--model", "tinypssr", *width).out == named != ""
    assert "tinypssr-anchor-x2" in cells(edge_sr("firmware", "plan", *width).out)
    boards = ("firmware", "boards", "--json")
    assert edge_sr(*boards, "tinypssr").out == edge_sr(*boards, "--model", "tinypssr").out
    library = ("firmware", "export", "--target", "cmake", "--out")
    assert edge_sr(*library, tmp_path / "a", "--model", "tinypssr").code == 0
    assert (tmp_path / "a" / "src" / "tinypssr_x2.h").is_file()


@pytest.mark.parametrize(
    "command",
    [
        ("plan",),
        ("build", "--board", "mps2-an386"),
        ("boards",),
        ("export", "--target", "cmake", "--out", "absent"),
    ],
)
def test_a_model_that_is_named_twice_is_refused(edge_sr: EdgeSr, command: tuple[str, ...]) -> None:
    text = edge_sr.refuses("firmware", *command, "tinypssr", "--model", "tinypssr-anchor")
    assert "name the model once" in text


def test_plan_rounds_default_widths_up_to_the_block_size(edge_sr: EdgeSr, tmp_path: Path) -> None:
    writer = TfliteWriter(9, 9)
    image = writer.conv(space_to_depth(writer, writer.input, 3), 9, 3)
    model = tmp_path / "blocks.tflite"
    model.write_bytes(writer.finish(writer.depth_to_space(image, 3)))
    rows = cells(edge_sr("firmware", "plan", model).out)
    assert {"162x123", "321x243", "642x483"} <= set(rows)
    text = edge_sr.refuses("firmware", "plan", model, "--width", 160)
    assert "cannot run at width 160; it takes multiples of 3 from 3 to 3145728 with" in text


def space_to_depth(writer: TfliteWriter, image: Value, block: int) -> Value:
    _, height, width, channels = image.shape
    shape = (1, height // block, width // block, channels * block**2)
    out = writer.activation("folded", shape, image.scale, image.zero_point)
    options = schema.SpaceToDepthOptionsT()
    options.blockSize = block
    writer.operator("SPACE_TO_DEPTH", [image.index], [out.index], options)
    return out


def test_plan_works_without_tflm(edge_sr: EdgeSr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tflite_micro", None)
    rows = cells(edge_sr("firmware", "plan", "tinypssr").out)
    assert rows["160x120"][1:] == ["unknown: tflite-micro is not installed"]
    monkeypatch.undo()
    rows = cells(edge_sr("firmware", "plan", "tinypssr", "--width", 8000).out)
    assert rows["8000x6000"][1:] == ["unknown: too large to try"]


@cross
@needs_tools
def test_built_firmware_is_bit_exact_with_tflm(edge_sr: EdgeSr, firmware: Path) -> None:
    result = edge_sr("firmware", "run", firmware)
    assert result.code == 0, result.err
    rows = cells(result.out)
    assert rows["firmware"] == ["emulated: instructions, not cycles"]
    assert rows["board"] == ["mps2-an386: Arm MPS2+ AN386, Cortex-M4"]
    assert rows["frame"] == ["24x18, scikit-image's astronaut"]
    assert rows["output"] == ["1,728 bytes, all equal to TFLM's"]
    parts = [number(rows[f"RAM: {part}"][0]) for part in ("arena", "data", "bss")]
    stack = number(rows["RAM: peak stack"][0])
    assert number(rows["RAM: total without frame buffers"][0]) == sum(parts) + stack
    assert 300 < stack < 4096
    assert 5_000 < number(rows["flash: engine and model"][0]) <= 24 * 1024
    frame = number(rows["instructions for the frame"][0])
    assert number(rows["instructions per LR pixel"][0]) == pytest.approx(frame / 432, abs=1)
    assert "emulated: instructions, not cycles" in rows["instructions per LR pixel"][0]


@cross
@needs_tools
def test_run_takes_an_image_of_the_right_width_only(
    edge_sr: EdgeSr, firmware: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (7, 25), dtype=np.uint8)
    Image.fromarray(noise[:, :24]).save(tmp_path / "fits.png")
    Image.fromarray(noise).save(tmp_path / "wide.png")
    rows = cells(edge_sr("firmware", "run", firmware, "--image", tmp_path / "fits.png").out)
    assert rows["frame"] == [f"24x7, {tmp_path / 'fits.png'}"]
    text = edge_sr.refuses("firmware", "run", firmware, "--image", tmp_path / "wide.png")
    assert "is 25 pixels wide, but the firmware was built for 24" in text
    text = edge_sr.refuses("firmware", "run", firmware, "--image", tmp_path / "absent.png")
    assert "no such file" in text
    monkeypatch.setattr("firmware_harness.oracle.MAX_ARENA_BYTES", 2**16)
    text = edge_sr.refuses("firmware", "run", firmware, "--image", tmp_path / "fits.png")
    assert "a frame of 24x7 is too large for TFLM" in text


def test_the_default_frame_of_a_large_width_is_flat() -> None:
    network = read_graph(tinypssr(8, 8))
    for width, height in ((160, 120), (640, 480), (99744, 3), (400_000, 1)):
        assert read_frame(None, width, network)[0].shape == (height, width, 1)
    with pytest.raises(UserError, match="cannot run at width 100000000"):
        read_frame(None, 100_000_000, network)


@cross
@needs_tools
def test_a_difference_from_tflm_ends_with_exit_code_1(edge_sr: EdgeSr, firmware: Path) -> None:
    (firmware / "model.tflite").write_bytes(tinypssr(8, 8))
    result = edge_sr("firmware", "run", firmware)
    assert (result.code, result.out) == (1, "")
    assert "of 1,728 output bytes differ from TFLM's, first at row" in result.err


@cross
@needs_tools
def test_run_names_missing_tools_and_files(
    edge_sr: EdgeSr, firmware: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    text = edge_sr.refuses("firmware", "run", firmware)
    assert "running firmware needs qemu-system-arm, which is missing; `apt-get install" in text
    monkeypatch.undo()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "tflite_micro", None)
        assert "pip install 'edge-sr[tflm]'" in edge_sr.refuses("firmware", "run", firmware)
    for name, message in (("firmware.elf", "missing or damaged"), ("project.json", "no firmware")):
        (firmware / name).unlink()
        result = edge_sr("firmware", "run", firmware)
        assert result.code == 2
        assert message in result.err
    assert "holds no firmware" in edge_sr.refuses("firmware", "run", tmp_path / "absent")


@cross
@needs_tools
def test_a_refused_build_leaves_no_folder(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    edge_sr.refuses("firmware", "build", "tinypssr-x2", "--board", "mps2-an386", "--width", 0)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_replaced_when_asked_to(edge_sr: EdgeSr, firmware: Path) -> None:
    again = (*BUILD, "--board", "mps3-an547", "--width", 32, "--out", firmware)
    assert "exists; --force replaces it" in edge_sr.refuses(*again)
    assert json.loads((firmware / "project.json").read_text())["width"] == 24
    assert edge_sr(*again, "--force").code == 0
    assert json.loads((firmware / "project.json").read_text())["width"] == 32
    assert [path.name for path in firmware.parent.iterdir()] == ["firmware"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--board", "stm32"], "unknown board 'stm32'; did you mean stm32f746g-disco"),
        (["--board", "mps2"], "mps2-an500? `edge-sr firmware boards` lists all boards"),
        (["--board", "NRF5240"], "did you mean nrf52840-dk?"),
        (["--board", "zz"], "a .toml file of your own works too"),
        (["--board", "absent.toml"], "cannot read the board file absent.toml: no such file"),
        (["--board", "pico"], "`edge-sr firmware export --target cmake` writes a library"),
        (["--board", "microbit", "--width", "640"], "13,416 bytes more RAM than microbit has; it"),
        (["--board", "mps2-an386", "--model", "resnet"], "or name a .tflite"),
        (["--board", "mps2-an386", "--model", "./resnet"], "model; name a .tflite"),
        (["--board", "mps2-an386", "--model", "a.onnx"], "from an int8 .tflite, not from a.onnx"),
        (["--board", "mps2-an386", "--model", "a.tflite"], "cannot read a.tflite"),
        (["--board", "mps2-an386", "--scale", "3"], "has no scale 3"),
        (
            ["--board", "mps2-an386", "--width", "0"],
            "cannot run at width 0; it takes whole numbers from 1",
        ),
        (["--board", "mps2-an386", "--width", "-4"], "cannot run at width -4"),
        (["--board", "mps3-an547", "--width", "20000"], "bytes more RAM than mps3-an547 has; it"),
        (["--board", "mps3-an547", "--width", "999999999"], "cannot run at width 999999999"),
        ([], "missing option '--board'"),
    ],
    ids=str,
)
def test_bad_input_is_one_sentence(
    edge_sr: EdgeSr, tmp_path: Path, arguments: list[str], message: str
) -> None:
    assert message in edge_sr.refuses("firmware", "build", *arguments, "--out", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@cross
@needs_tools
@pytest.mark.parametrize("flag", ["-mcpu=cortex-m99", "-fno-such-thing"])
def test_flags_unknown_to_the_compiler_are_named(
    edge_sr: EdgeSr, tmp_path: Path, flag: str
) -> None:
    own = tmp_path / "own.toml"
    own.write_text(board_file.find("mps2-an386").text.replace('"-O2"', f'"{flag}"'))
    text = edge_sr.refuses(*BUILD, "--board", own, "--out", tmp_path / "out")
    assert "arm-none-eabi-gcc rejects `flags` of the board own: " in text
    assert flag.split("=")[-1] in text
    assert list(tmp_path.iterdir()) == [own]


@cross
@needs_tools
@pytest.mark.parametrize("wrong", ['machine = "no-machine"', 'cpu = "no-cpu"\nmachine = "virt"'])
def test_a_board_unknown_to_qemu_is_named(edge_sr: EdgeSr, firmware: Path, wrong: str) -> None:
    board = firmware / "board.toml"
    board.write_text(board.read_text().replace('machine = "mps2-an386"', wrong))
    text = edge_sr.refuses("firmware", "run", firmware)
    assert "QEMU does not know `emulator` of the board mps2-an386: qemu-system-arm: un" in text


@pytest.mark.parametrize(
    ("log", "kind", "reason"),
    [
        (
            "/usr/bin/ld: main.o: in function `main':\nmain.c:(.text+0x4): undefined reference to "
            "`f'\ncollect2: error: ld returned 1 exit status\nmake: *** [Makefile:9: x] Error 1",
            *(VerificationError, "undefined reference to `f'"),
        ),
        (
            "a.c:1: note: b\na.c:2:1: error: no\nmake: *** Error 1",
            VerificationError,
            "2:1: error: no",
        ),
        (
            "ld: cannot find -lx\ncollect2: error: ld returned 1",
            VerificationError,
            "ld: cannot find",
        ),
        ("as: error: closing a.o: No space left on device", UserError, "No space left on device"),
        ("", VerificationError, "no error message"),
    ],
)
def test_the_reason_of_a_failed_build_is_found(
    log: str, kind: type[Exception], reason: str
) -> None:
    failure = building._failure(log)
    assert type(failure) is kind
    assert reason in str(failure)


def test_a_model_that_the_engine_cannot_run_is_refused(edge_sr: EdgeSr, tmp_path: Path) -> None:
    writer = TfliteWriter(8, 8)
    sums = writer.activation("sums", (1, 8, 8, 1), 1, 0)
    axis = writer.tensor("axis", [1], "int32", [], [], np.array([1], np.int32))
    writer.operator("CUMSUM", [writer.input.index, axis], [sums.index])
    summed = writer.finish(sums)
    (tmp_path / "summed.tflite").write_bytes(summed)
    (tmp_path / "damaged.tflite").write_bytes(summed[:300])
    shipped = catalog.find("tinypssr-x2").file("float32", ".tflite")
    shutil.copyfile(shipped, tmp_path / "float.tflite")
    before = sorted(tmp_path.iterdir())
    for name, message in (
        ("summed", "CUMSUM"),
        ("damaged", "not a usable .tflite"),
        ("float", "int8"),
    ):
        model = tmp_path / f"{name}.tflite"
        for command in (["plan", model], ["build", "--board", "mps2-an386", "--model", model]):
            assert message in edge_sr.refuses("firmware", *command)
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_of_another_scale_is_refused(edge_sr: EdgeSr, tmp_path: Path) -> None:
    model = tmp_path / "x2.tflite"
    model.write_bytes(tinypssr(8, 8))
    assert "upscales x2, not x4" in edge_sr.refuses("firmware", "plan", model, "--scale", 4)


def test_an_occupied_output_path_is_refused(edge_sr: EdgeSr, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    build = (*BUILD, "--board", "mps2-an386", "--force", "--out")
    assert "is a file; give a folder" in edge_sr.refuses(*build, tmp_path / "file")
    assert "is a file" in edge_sr.refuses(*build, tmp_path / "file" / "below")
    text = edge_sr.refuses(*build, tmp_path)
    assert "holds something other than firmware" in text
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("tool", ["arm-none-eabi-gcc", "make"])
def test_a_missing_compiler_is_named(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    which = shutil.which
    monkeypatch.setattr(
        shutil, "which", lambda name: None if name == tool else which(name) or f"/{name}"
    )
    text = edge_sr.refuses(*BUILD, "--board", "mps2-an386", "--out", tmp_path / "out")
    assert f"building firmware needs {tool}, which is missing" in text
    assert list(tmp_path.iterdir()) == []
