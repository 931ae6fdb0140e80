"""Self-test images, run in QEMU without semihosting; the result is read from RAM."""

import binascii
import json
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from board_tools import build_image, skip_without_tools
from processes import Processes
from tflite_factory import tinypssr

from edge_sr.engine.plan import make_plan
from edge_sr.graph import read_graph
from firmware_harness import board_file, build, elf, fit, frames, oracle, port, project, selftest
from firmware_harness.board import Board

pytestmark = pytest.mark.cross

# The memory map of an STM32, on a board that QEMU emulates.
NETDUINO = """
title = "Netduino Plus 2 (STM32F405)"
core = "Cortex-M4"
port = "cortex_m"
flags = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=soft", "-O2"]
stack = 4096
[flash]
origin = 0x08000000
bytes = 0x100000
[ram]
origin = 0x20000000
bytes = 0x20000
"""


class Qemu:
    """A machine controlled through QEMU's machine protocol, without semihosting."""

    def __init__(
        self, processes: Processes, board: Board, machine: str, image: Path, *flags: str
    ) -> None:
        known = port.of(board)
        self._process = processes.start(
            [
                *(known.emulator, "-machine", machine, *known.emulator_flags, *flags),
                *("-display", "none", "-serial", "none", "-nic", "none", "-qmp", "stdio"),
                *("-kernel", str(image)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.ask("qmp_capabilities")

    def ask(self, what: str, **arguments: Any) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = json.dumps({"execute": what, "arguments": arguments}) + "\n"
        self._process.stdin.write(line.encode())
        self._process.stdin.flush()
        while "return" not in json.loads(self._process.stdout.readline()):
            pass

    def __enter__(self) -> "Qemu":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def result(qemu: Qemu, image: Path, folder: Path) -> tuple[int, ...]:
    """Return the self-test's result once it has finished."""
    address, size = elf.read(image)[".result"]
    assert size == 4 * selftest.WORDS == struct.calcsize("<8I2Q")
    while True:
        qemu.ask("memsave", val=address, size=size, filename=str(folder / "result.bin"))
        words = struct.unpack("<8I2Q", (folder / "result.bin").read_bytes())
        if words[0] not in (0, selftest.PASSED - 1):
            return words


def built(board: Board, text: str, model: bytes, folder: Path) -> tuple[Board, Path]:
    """Build a self-test for a user's board, 20 pixels wide."""
    (folder / "own.toml").write_text(text)
    own = board_file.find(str(folder / "own.toml"))
    (folder / "firmware").mkdir()
    project.write(folder / "firmware", project.Project("it", f"{folder}/own.toml", 20), model)
    return own, build_image(folder / "firmware", own)


def without_emulator(board: Board) -> str:
    return re.sub(r"\[emulator\][^[]*", "", board.text)


def check(words: tuple[int, ...], model: bytes, board: Board, image: Path) -> None:
    state, status, crc, expected, rows, arena, stack, *_ = words
    assert (state, status) == (selftest.PASSED, 0)
    assert crc == expected
    assert rows == 48
    assert arena == elf.measure(image)[1].arena
    assert 200 < stack < board.stack


@pytest.mark.slow
def test_every_core_passes_without_a_host(
    processes: Processes, board: Board, tmp_path: Path
) -> None:
    assert board.emulator is not None
    model = tinypssr(16, 20)
    own, image = built(board, without_emulator(board), model, tmp_path)
    cpu = [] if board.emulator.cpu is None else ["-cpu", board.emulator.cpu]
    with Qemu(processes, own, board.emulator.machine, image, *cpu) as qemu:
        check(result(qemu, image, tmp_path), model, own, image)


def test_an_image_runs_from_flash_above_address_zero(processes: Processes, tmp_path: Path) -> None:
    model = tinypssr(16, 20)
    board, image = built(board_file.find("mps2-an386"), NETDUINO, model, tmp_path)
    with Qemu(processes, board, "netduinoplus2", image) as qemu:
        check(result(qemu, image, tmp_path), model, board, image)


def test_the_self_test_detects_a_wrong_checksum(processes: Processes, tmp_path: Path) -> None:
    board, _ = built(board_file.find("mps2-an386"), NETDUINO, tinypssr(16, 20), tmp_path)
    header = tmp_path / "firmware" / "model" / "test.h"
    header.write_text(re.sub("0x[0-9a-f]{8}", "0x12345678", header.read_text()))
    image = build.build(tmp_path / "firmware", board, "-Werror")
    with Qemu(processes, board, "netduinoplus2", image) as qemu:
        state, status, crc, expected, *_ = result(qemu, image, tmp_path)
    assert (state, status, expected) == (selftest.PASSED + 1, 0, 0x12345678)
    assert crc != expected


def test_the_self_test_checksum_is_computed_by_tflm() -> None:
    model = tinypssr(16, 20)
    text = selftest.header(model, 20)
    assert "all output bytes, from TensorFlow Lite Micro." in text
    frame = frames.noise(24, 20, 1)
    assert len(np.unique(frame)) > 200
    crc = binascii.crc32(oracle.tflm_output(model, frame).tobytes())
    assert f"UINT32_C(0x{crc:08x})" in text


def test_without_tflm_the_engine_computes_the_same_checksum(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = tinypssr(16, 20)
    with_tflm = selftest.header(model, 20)
    monkeypatch.setitem(sys.modules, "tflite_micro", None)
    without = selftest.header(model, 20)
    assert "all output bytes, from the engine on the host." in without
    assert with_tflm.splitlines()[1:] == without.splitlines()[1:]


BARE = [name for name in board_file.names() if board_file.find(name).image is not None]


@pytest.mark.parametrize("name", BARE)
def test_images_have_the_layout_that_their_core_needs(name: str, tmp_path: Path) -> None:
    board = board_file.find(name)
    skip_without_tools(board)
    model = tinypssr(16, 20)
    project.write(tmp_path, project.Project("it", name, 20), model)
    image = build_image(tmp_path, board)
    network = read_graph(model)
    need = fit.fit(network, make_plan(network), 20, board)
    sections = elf.read(image)
    assert sections[".vectors"].address == board.flash.origin
    binary = (tmp_path / "firmware.bin").read_bytes()
    assert 0 <= len(binary) - elf.measure(image)[0].total < 64  # between sections
    assert len(binary) <= need.flash
    ram = range(board.ram.origin, board.ram.origin + board.ram.size)
    ends = [address + size for address, size in sections.values() if address in ram]
    assert need.ram - 128 <= max(ends) - board.ram.origin <= need.ram
    if board.core.startswith("Cortex-M"):
        stack, reset = struct.unpack_from("<2I", binary)
        assert stack == board.ram.origin + board.stack
        assert reset % 2 == 1
        assert board.flash.origin < reset < board.flash.origin + len(binary)
        assert (b"\xab\xbe" in binary) == (board.emulator is not None)  # bkpt 0xab
    assert (tmp_path / "firmware.hex").read_text().splitlines()[-1] == ":00000001FF"


def test_an_rp2350_image_has_its_header_block(tmp_path: Path) -> None:
    """The bytes are those of the datasheet, section 5.9.5.1."""
    project.write(tmp_path, project.Project("it", "pico2", 20), tinypssr(16, 20))
    build_image(tmp_path, board_file.find("pico2"))
    block = bytes.fromhex("d3deffff 42012110 ff010000 00000000 793512ab")
    place = (tmp_path / "firmware.bin").read_bytes()[:4096].find(block)
    assert place % 4 == 0
    assert place >= 64
