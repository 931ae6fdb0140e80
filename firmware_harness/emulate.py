"""Run an image in QEMU on one frame and count instructions, which are not cycles."""

import re
import shlex
import shutil
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_sr.errors import UserError, VerificationError
from firmware_harness import board_file
from firmware_harness import port as ports
from firmware_harness.board import Board, Emulator

_TIMEOUT = 600  # seconds
_REPORT = struct.Struct("<4I2Q")
_CAMERA_REPORT = struct.Struct("<4I3Q")
_SYMBOLS_REPORT = struct.Struct("<6I2Q")
PART_TOO_LARGE = 8
"""ESR_TCZ2_PART of esr_tcz2_status."""

_EXITS = {
    1: "it could not read or write its files",
    2: "the frame is not of the size it was built for",
    3: "the engine rejects the model",
    100: "the processor faulted",
}
_UNKNOWN_BOARD = re.compile(r"machine type|CPU (model|type)|used with CPU")


@dataclass(frozen=True)
class Run:
    """The result of an upscaler's image.

    Attributes:
        status: the esr_status; 0 is ESR_OK.
        arena_needed: bytes, from the image's own esr_arena_bytes.
        stack_used: peak stack in bytes, with start-up and main.
        open_instructions: executed by esr_open.
        frame_instructions: executed from esr_begin to esr_end, with the program's reading and
            writing of rows (some hundred instructions each).
        outputs: the int8 values that the sink received of each output, in order.
    """

    status: int
    arena_needed: int
    stack_used: int
    open_instructions: int
    frame_instructions: int
    outputs: tuple[np.ndarray, ...]

    @property
    def output(self) -> np.ndarray:
        """Return the values of all outputs, one after the other."""
        return np.concatenate(self.outputs)


@dataclass(frozen=True)
class Compression:
    """The result of an encoder's image.

    Attributes:
        status: the esr_tcz_status; 0 is ESR_TCZ_OK.
        arena_needed: bytes, from the image's own esr_arena_bytes.
        state_bytes: size of esr_tcz, the coder's state.
        stack_used: peak stack in bytes, with start-up and main.
        open_instructions: executed by esr_open.
        latent_instructions: executed until the latents were complete, with reading of rows.
        write_instructions: executed by coding and writing the file.
        file: the .tcz.
    """

    status: int
    arena_needed: int
    state_bytes: int
    stack_used: int
    open_instructions: int
    latent_instructions: int
    write_instructions: int
    file: bytes


@dataclass(frozen=True)
class SymbolCompression:
    """The result of an image that writes files of version 2.

    Attributes:
        status: the esr_tcz2_status; 0 is ESR_TCZ2_OK.
        arena_needed: bytes, from the image's own esr_arena_bytes.
        coder_needed: bytes, from the image's own esr_symbols_bytes.
        state_bytes: size of esr_tcz2.
        stack_used: peak stack in bytes, with start-up and main.
        largest_part: bytes of the largest part, or of the header if that is larger.
        open_instructions: executed by esr_open.
        frame_instructions: executed by network and coder, with reading of rows and writing of
            parts.
        file: the .tcz.
    """

    status: int
    arena_needed: int
    coder_needed: int
    state_bytes: int
    stack_used: int
    largest_part: int
    open_instructions: int
    frame_instructions: int
    file: bytes


def check_tools(board: Board, folder: Path | None = None) -> Emulator:
    """Return how a board is emulated.

    Args:
        board: the board.
        folder: the project that is to run, if any; the advice names it.

    Raises:
        UserError: the board is not emulated, or QEMU is not installed.
    """
    if board.emulator is None:
        raise UserError(f"{board.name} is not emulated; {_advice(board, folder)}")
    port = ports.of(board)
    if shutil.which(port.emulator) is None:
        raise UserError(
            f"running firmware needs {port.emulator}, which is missing; `apt-get install "
            f"{port.emulator_package}` installs it on Debian and Ubuntu"
        )
    return board.emulator


def run(image: Path, board: Board, frame: np.ndarray) -> Run:
    """Run an upscaler's image on a frame.

    Args:
        image: a firmware.elf with app/main.c.
        board: the board it was built for.
        frame: (H, W, C) int8.

    Raises:
        UserError: the emulator is missing.
        VerificationError: the image failed or did not end.
    """
    with tempfile.TemporaryDirectory(prefix="edge-sr-") as name:
        folder = Path(name)
        _write_frame(folder, frame)
        execute(image, board, folder)
        report = (folder / "report.bin").read_bytes()
        files = sorted(folder.glob("output[0-9][0-9].bin"))
        outputs = tuple(np.fromfile(file, np.int8) for file in files)
    status, arena, stack, _, opened, ran = _REPORT.unpack(report)
    assert board.emulator is not None  # `execute` has checked it
    count = board.emulator.instructions
    return Run(status, arena, stack, count(opened), count(ran), outputs)


def compress(image: Path, board: Board, pixels: np.ndarray) -> Compression:
    """Run an encoder's image on an image's pixels.

    Args:
        image: a firmware.elf with app/compress.c.
        board: the board it was built for.
        pixels: (H, W, 3) uint8.

    Raises:
        UserError: the emulator is missing.
        VerificationError: the image failed or did not end.
    """
    report, file = _compress(image, board, pixels)
    status, arena, state, stack, opened, latents, written = _CAMERA_REPORT.unpack(report)
    assert board.emulator is not None  # `execute` has checked it
    count = board.emulator.instructions
    ticks = count(opened), count(latents), count(written)
    return Compression(status, arena, state, stack, *ticks, file)


def compress_symbols(image: Path, board: Board, pixels: np.ndarray) -> SymbolCompression:
    """Run the image of app/compress2.c as `compress` does."""
    report, file = _compress(image, board, pixels)
    status, arena, coder, state, stack, part, opened, ran = _SYMBOLS_REPORT.unpack(report)
    assert board.emulator is not None  # `execute` has checked it
    count = board.emulator.instructions
    ticks = count(opened), count(ran)
    return SymbolCompression(status, arena, coder, state, stack, part, *ticks, file)


def _compress(image: Path, board: Board, pixels: np.ndarray) -> tuple[bytes, bytes]:
    """Run an encoder's image; return its report and its .tcz file."""
    with tempfile.TemporaryDirectory(prefix="edge-sr-") as name:
        folder = Path(name)
        _write_frame(folder, pixels)
        execute(image, board, folder)
        return (folder / "report.bin").read_bytes(), (folder / "output.tcz").read_bytes()


def _write_frame(folder: Path, frame: np.ndarray) -> None:
    height, width, channels = frame.shape
    header = struct.pack("<3I", width, height, channels)
    (folder / "frame.bin").write_bytes(header + frame.tobytes())


def execute(image: Path, board: Board, folder: Path) -> None:
    """Run an image until it ends; it reads and writes files in `folder`.

    With -icount shift=0 every instruction takes one nanosecond of the board's time, so that the
    board's counter counts instructions.

    Raises:
        UserError: the emulator is missing, or does not know the board's machine or processor.
        VerificationError: the exit code is not 0, or the image does not end.
    """
    emulator, port = check_tools(board), ports.of(board)
    command = [port.emulator, "-machine", emulator.machine, *port.emulator_flags]
    command += [] if emulator.cpu is None else ["-cpu", emulator.cpu]
    command += ["-display", "none"]
    command += ["-monitor", "none", "-serial", "none", "-nic", "none"]
    command += ["-icount", "shift=0,sleep=off"]
    command += ["-semihosting-config", "enable=on,target=native"]
    command += ["-kernel", str(image.absolute())]
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT
        )
    except subprocess.TimeoutExpired:
        raise VerificationError(f"{image} did not end within {_TIMEOUT} s of emulation") from None
    if done.returncode != 0:
        reason = _reason(done.returncode, done.stderr.decode(errors="replace"))
        if _UNKNOWN_BOARD.search(reason):
            raise UserError(f"QEMU does not know `emulator` of the board {board.name}: {reason}")
        raise VerificationError(f"{image} ended with exit code {done.returncode}: {reason}")


def _advice(board: Board, folder: Path | None) -> str:
    """Return what works for a board that is not emulated."""
    others = f"{', '.join(board_file.emulated())} can be emulated"
    if not board.flashers:
        return others
    arguments = ["--board", board_file.option(board)]
    if folder is not None and arguments[1] != board.name:
        arguments = ["--board", f"{folder / 'board.toml'}", "--image", f"{folder}"]
    command = shlex.join(["edge-sr", "firmware", "flash", *arguments])
    return f"`{command}` writes firmware to the board, and {others}"


def _reason(code: int, log: str) -> str:
    """Return the first line of a log that is not a warning, or what the exit code means."""
    said = [line for line in log.splitlines() if line.strip() and "warning:" not in line]
    return said[0] if said else _EXITS.get(code, "no error message")
