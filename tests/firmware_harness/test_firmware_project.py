"""Projects, frames and comparisons, without a compiler."""

import builtins
from pathlib import Path

import numpy as np
import pytest
from tflite_factory import TfliteWriter, tinypssr

from edge_sr.errors import UserError, VerificationError
from edge_sr.files import replacing_folder
from edge_sr.graph import read_graph
from firmware_harness import elf, frames, oracle, project
from firmware_harness.board import Board
from firmware_harness.project import Project


def test_every_emulated_board_is_complete(board: Board) -> None:
    image, emulator = board.bare_image(), board.emulator
    assert emulator is not None
    assert any(flag.endswith(f"={board.core.lower()}") for flag in image.flags)
    assert emulator.instructions(emulator.ticks_hz) == 10**9


def test_a_project_is_self_contained(board: Board, tmp_path: Path) -> None:
    model = tinypssr(16, 20)
    project.write(tmp_path, Project("a model", board.name, 20), model)
    assert project.read(tmp_path) == Project("a model", board.name, 20)
    assert (tmp_path / project.MODEL).read_bytes() == model
    for path in (p for p in tmp_path.rglob("*") if p.suffix in (".c", ".h", ".ld", ".mk")):
        text = path.read_text(encoding="ascii")
        assert str(Path(project.__file__).parent) not in text
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {
        "app",
        "engine",
        "model",
        "port",
    }


def test_a_model_too_large_for_ram_names_the_excess_and_the_width_that_fits(tmp_path: Path) -> None:
    model = tinypssr(16, 20)
    with pytest.raises(UserError, match="bytes more RAM than mps3-an547 has") as refused:
        project.write(tmp_path, Project("it", "mps3-an547", 40_000), model)
    assert list(tmp_path.iterdir()) == []
    fits = int(str(refused.value).rsplit(" ", 1)[1])
    project.write(tmp_path, Project("it", "mps3-an547", fits), model)
    with pytest.raises(UserError, match=f"needs .* it fits up to a width of {fits}"):
        project.write(tmp_path / "b", Project("it", "mps3-an547", fits + 1), model)


def test_replacing_a_folder_is_all_or_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "firmware"
    full = OSError(28, "No space left on device", "/ours/start.c", None, "/temporary/start.c")
    with (
        pytest.raises(UserError, match=f"^cannot write {folder}: No space left on device$"),
        replacing_folder(folder),
    ):
        raise full
    assert list(tmp_path.iterdir()) == []
    for number in range(2):
        with replacing_folder(folder) as temporary:
            (temporary / project.FACTS).write_text(f"{number}")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["firmware"]
    assert (folder / project.FACTS).read_text() == "1"


def test_the_current_folder_can_be_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with replacing_folder(Path()) as temporary:
        (temporary / project.FACTS).write_text("")
    assert [path.name for path in tmp_path.iterdir()] == [project.FACTS]


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", "\xff", '{"name": 1, "board": "a", "width": 2}'),
        *('{"name": "a", "board": "b", "width": 0}', '{"name": "a", "board": "b", "width": true}'),
        "[" * 100_000,
    ],
    ids=lambda text: text[:40],
)
def test_a_damaged_project_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / project.FACTS).write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match="is damaged; build the firmware again"):
        project.read(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x7fELF" + b"\xff" * 60, bytes(200)])
def test_a_damaged_image_is_refused(tmp_path: Path, content: bytes) -> None:
    image = tmp_path / "firmware.elf"
    with pytest.raises(UserError, match="missing or damaged"):
        elf.measure(image)
    image.write_bytes(content)
    with pytest.raises(UserError, match="missing or damaged"):
        elf.measure(image)


def test_images_become_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    tensor = read_graph(tinypssr(8, 8)).input
    photograph, source = frames.default_pixels(12, 16)
    assert (photograph.shape, source) == ((12, 16, 3), "scikit-image's astronaut")
    real = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name.startswith("skimage"):
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    for height, width in ((12, 16), (1, 1)):
        made, source = frames.default_pixels(height, width)
        assert (made.shape, source) == ((height, width, 3), "a generated image")
    gray = np.array([[0, 100, 255]], np.uint8)
    assert frames.encode_pixels(gray, tensor).tolist() == [[[-128], [-28], [127]]]
    colour = read_graph(
        (writer := TfliteWriter(8, 8, channels=3)).finish(writer.conv(writer.input, 3, 3))
    )
    assert frames.encode_pixels(gray, colour.input)[0, 1].tolist() == [-28] * 3
    assert frames.encode_pixels(photograph, colour.input).shape == (12, 16, 3)
    assert frames.encode_pixels(photograph, tensor).shape == (12, 16, 1)


def test_a_network_with_two_channels_takes_no_image() -> None:
    writer = TfliteWriter(8, 8, channels=2)
    tensor = read_graph(writer.finish(writer.conv(writer.input, 3, 3))).input
    with pytest.raises(UserError, match="takes 2 channels; an image has 1 or 3"):
        frames.encode_pixels(np.zeros((8, 8, 3), np.uint8), tensor)


def test_a_wrong_byte_is_found() -> None:
    expected = np.arange(24, dtype=np.int8).reshape(2, 4, 3)
    oracle.check(expected.ravel(), expected)
    wrong = expected.ravel().copy()
    wrong[[17, 20]] = 99
    message = "2 of 24 output bytes differ from TFLM's, first at row 1, column 1, channel 2: 99"
    with pytest.raises(VerificationError, match=message):
        oracle.check(wrong, expected)
    with pytest.raises(VerificationError, match="wrote 23 output bytes, TFLM writes 24"):
        oracle.check(wrong[1:], expected)
