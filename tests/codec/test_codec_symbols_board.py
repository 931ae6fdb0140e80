"""The symbol coder on emulated boards: the same bytes as here."""

import shutil
import struct
from pathlib import Path

import pytest
from context_reference import random_master, sample

from edge_sr.codec import context
from edge_sr.engine import symbols
from edge_sr.engine.build import SOURCES
from firmware_harness import board_file, build, emulate, port

HERE = Path(__file__).parent
BOARDS = {
    "dsp": ("mps2-an386", ""),
    "helium": ("mps3-an547", ""),
    "portable": ("mps2-an386", "-DESR_PORTABLE"),
}


@pytest.mark.cross
@pytest.mark.parametrize("kernels", BOARDS)
def test_a_board_codes_the_same_bytes(kernels: str, tmp_path: Path) -> None:
    for tool in ("arm-none-eabi-gcc", "make", "qemu-system-arm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    name, flags = BOARDS[kernels]
    board, shape = board_file.find(name), (5, 8, 19)
    master = random_master(19, 3, hidden=96)
    values, blob = sample(master, 0.5, shape), context.fold(master, 0.5)
    port.write(tmp_path, board)
    (tmp_path / "engine").mkdir()
    for source in (*SOURCES.glob("*.h"), *SOURCES.glob("esr_symbols*.c"), SOURCES / "esr_coder.c"):
        shutil.copy(source, tmp_path / "engine")
    port.copy_files(HERE, tmp_path / "app", "symbols_board.c")
    head = struct.pack("<4I", len(blob), *shape)
    (tmp_path / "symbols.bin").write_bytes(head + blob + values.tobytes())
    emulate.execute(build.build(tmp_path, board, f"-Werror {flags}"), board, tmp_path)
    assert (tmp_path / "part.bin").read_bytes() == symbols.encode(values, blob, shape[0])[0]
    same, encoding, decoding, state = struct.unpack("<4Q", (tmp_path / "figures.bin").read_bytes())
    assert same
    assert board.emulator is not None
    pixels = 64 * shape[0] * shape[1]
    each = [board.emulator.instructions(ticks) / pixels for ticks in (encoding, decoding)]
    print(f"{name}: {each[0]:.0f} instructions per pixel to encode, {each[1]:.0f} to decode")
    print(f"{state} bytes of memory")
