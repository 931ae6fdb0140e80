"""The start-up code, tested with programs of known behaviour."""

import shutil
import struct
from pathlib import Path

import pytest

from edge_sr.errors import UserError, VerificationError
from firmware_harness import board_file, build, elf, emulate, port
from firmware_harness.board import Board

HERE = Path(__file__).parent

pytestmark = pytest.mark.cross


def built(program: str, board: Board, folder: Path, flags: str = "") -> Path:
    port.write(folder, board)
    (folder / "app").mkdir()
    shutil.copyfile(HERE / program, folder / "app" / program)
    return build.build(folder, board, f"-Werror {flags}")


def check_figures(board: Board, folder: Path, turns: int, bits: int) -> None:
    """Check the ticks of loops of known length; the longer one overflows a counter of `bits`."""
    image = built("count_loop.c", board, folder, f"-DLONG_TURNS={turns} -DPERIOD_BITS={bits}")
    emulate.execute(image, board, folder)
    short, long, quiet, busy = struct.unpack("<4Q", (folder / "figures.bin").read_bytes())
    assert board.emulator is not None
    count = board.emulator.instructions
    assert count(short) == pytest.approx(200_000, abs=2 * count(1) + 20)
    wraps = long >> bits
    assert wraps > 0
    assert count(long) == pytest.approx(2 * turns, abs=2 * count(1) + 50 * wraps + 20)
    assert 0 < quiet < 200
    assert 1000 <= busy < 1000 + quiet + 100


def test_ticks_count_instructions_and_the_painted_stack_its_peak(
    board: Board, tmp_path: Path
) -> None:
    check_figures(board, tmp_path, 6_000_000, 16)


def test_ticks_beyond_the_24_bits_of_systick(tmp_path: Path) -> None:
    check_figures(board_file.find("mps2-an386"), tmp_path, 400_000_000, 24)


def test_section_sizes_are_measured(board: Board, tmp_path: Path) -> None:
    image = built("count_loop.c", board, tmp_path, "-DLONG_TURNS=1")
    flash, ram = elf.measure(image)
    assert 300 < flash.total == flash.harness < 1200
    assert (ram.arena, ram.data) == (0, 0)
    assert ram.bss in (4, 8)
    assert elf.read(image)[".stack"] == (board.ram.origin, board.stack)
    assert elf.read(image)[".vectors"].address == board.flash.origin


@pytest.mark.parametrize("way", ["overflow", "jump"])
def test_a_fault_ends_the_emulation(board: Board, tmp_path: Path, way: str) -> None:
    image = built("fault.c", board, tmp_path)
    if way == "jump":
        (tmp_path / "jump").touch()
    with pytest.raises(VerificationError, match="ended with exit code"):
        emulate.execute(image, board, tmp_path)


def test_an_image_too_large_for_flash_names_the_excess(tmp_path: Path) -> None:
    board = board_file.find("mps3-an547")
    port.write(tmp_path, board)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.c").write_text(
        f"volatile const char much[{board.flash.size}] = {{1}};\n"
        "int main(void) { return much[0]; }\n"
    )
    with pytest.raises(UserError, match=r"the image is \d,?\d* bytes too large for the FLASH"):
        build.build(tmp_path, board)


def test_code_that_does_not_compile_is_reported(tmp_path: Path) -> None:
    board = board_file.find("mps2-an386")
    port.write(tmp_path, board)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.c").write_text("int main(void) { return nothing; }\n")
    with pytest.raises(
        VerificationError, match=r"compiling the project failed: app/main.c:1:.*nothing"
    ):
        build.build(tmp_path, board)
