"""The start-up code under programs whose behaviour is known."""

import shutil
import struct
from pathlib import Path

import pytest

from edge_sr.errors import UserError, VerificationError
from firmware_harness import board as boards
from firmware_harness import build, elf, emulate, port
from firmware_harness.board import Board

HERE = Path(__file__).parent

pytestmark = pytest.mark.cross


def built(program: str, board: Board, folder: Path) -> Path:
    port.write(folder, board)
    (folder / "app").mkdir()
    shutil.copyfile(HERE / program, folder / "app" / program)
    return build.build(folder, "-Werror")


def test_ticks_count_instructions_and_painting_counts_stack(board: Board, tmp_path: Path) -> None:
    image = built("count_loop.c", board, tmp_path)
    emulate.execute(image, board, tmp_path)
    short, long, quiet, busy = struct.unpack("<4Q", (tmp_path / "figures.bin").read_bytes())
    count = board.emulator.instructions
    assert count(short) == pytest.approx(200_000, abs=2 * count(1) + 20)
    assert count(long) == pytest.approx(1_200_000_000, abs=2 * count(1) + 200)
    assert long > 2**24
    assert 0 < quiet < 200
    assert 2000 <= busy < 2000 + quiet + 100


def test_sections_are_those_of_the_linker_script(board: Board, tmp_path: Path) -> None:
    image = built("count_loop.c", board, tmp_path)
    flash, ram = elf.measure(image)
    assert 300 < flash.total == flash.harness < 1200
    assert (ram.arena, ram.data, ram.bss) == (0, 0, 4)
    assert elf.sections(image.read_bytes())[".stack"] == board.stack


@pytest.mark.parametrize("way", ["overflow", "jump"])
def test_a_fault_ends_the_emulation(board: Board, tmp_path: Path, way: str) -> None:
    image = built("fault.c", board, tmp_path)
    if way == "jump":
        (tmp_path / "jump").touch()
    with pytest.raises(VerificationError, match="ended with exit code"):
        emulate.execute(image, board, tmp_path)


def test_an_image_that_exceeds_the_flash_says_by_how_much(tmp_path: Path) -> None:
    board = boards.find("mps3-an547")
    port.write(tmp_path, board)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.c").write_text(
        f"volatile const char much[{board.flash.size}] = {{1}};\n"
        "int main(void) { return much[0]; }\n"
    )
    with pytest.raises(UserError, match=r"the image is \d,?\d* bytes too large for the FLASH"):
        build.build(tmp_path)


def test_code_that_does_not_compile_is_reported(tmp_path: Path) -> None:
    port.write(tmp_path, boards.find("mps2-an386"))
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.c").write_text("int main(void) { return nothing; }\n")
    with pytest.raises(VerificationError, match=r"refuses the project: app/main.c:1:.*nothing"):
        build.build(tmp_path)
