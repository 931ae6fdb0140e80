"""Write an image into a board's flash with the tool of its maker or of a free project."""

import codecs
import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from edge_sr.errors import UserError, VerificationError
from firmware_harness import board_file, project
from firmware_harness.board import Board, Flasher
from firmware_harness.flashers import TOOLS, Job, Tool

_READ_BYTES = 4096
_KEPT_CHARACTERS = 8192
_TURN = 0.1  # seconds
_STOPS = ((signal.SIGINT, 5.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 0.0))
"""The signals that stop a tool, each with the seconds until the next one."""


@dataclass(frozen=True)
class Flashing:
    """A command that writes an image, ready to run.

    Attributes:
        board: the board to write.
        name: the tool's name.
        tool: the tool's description.
        image: the file to write.
        command: program and arguments.
    """

    board: Board
    name: str
    tool: Tool
    image: Path
    command: tuple[str, ...]


def prepare(board: Board, image: Path | None, tool: str | None, port: str | None) -> Flashing:
    """Choose a tool, and the file that it writes.

    Args:
        board: the board to write.
        image: a file, or an output folder of `edge-sr firmware build`; None: the only folder in
            `artifacts` that was built for the board.
        tool: its name; None: the board's first installed tool, else its first tool.
        port: the serial port; None: the tool's choice.

    Raises:
        UserError: the board has no such tool, or the tool does not take this image or a port.
    """
    if not board.flashers:
        raise UserError(f"{board.name} is emulated only; no tool writes its flash")
    image = image or _built(board)
    flasher = _choose(board, image, tool)
    known = TOOLS[flasher.tool]
    if port is not None and not known.serial:
        raise UserError(f"{flasher.tool} needs no serial port; leave --port out")
    if port is not None and (not port.isprintable() or port.startswith("-") or not port):
        raise UserError(f"{port!r} is not a serial port; use a name such as /dev/ttyACM0")
    file = _file(board, image, flasher.tool)
    job = Job(
        program=_find(known) or known.programs[0],
        image=file.absolute(),
        address=board.flash.origin,
        target=flasher.target or "",
        port=port,
    )
    return Flashing(board, flasher.tool, known, file, tuple(known.command(job)))


def _built(board: Board) -> Path:
    """Return the only folder in `artifacts` that was built for a board.

    Raises:
        UserError: no folder or several were built for it.
    """
    folders = sorted(Path("artifacts").glob(f"*-{board.name}-w*"))
    if len(folders) == 1:
        return folders[0]
    if folders:
        names = ", ".join(map(str, folders))
        raise UserError(f"several images for {board.name} exist; choose one with --image: {names}")
    raise UserError(
        f"artifacts has no image for {board.name}; {_maker(board)}, or --image names a file"
        if board.image is not None
        else f"name the file with --image; {board.no_image}"
    )


def _find(tool: Tool) -> str | None:
    return next((path for name in tool.programs if (path := shutil.which(name))), None)


def _choose(board: Board, image: Path, tool: str | None) -> Flasher:
    flashers = board.flashers
    if tool is not None:
        flashers = tuple(flasher for flasher in flashers if flasher.tool == tool)
    elif not image.is_dir():
        takes = tuple(f for f in flashers if image.suffix.lower() in TOOLS[f.tool].suffixes)
        flashers = takes or flashers
    if not flashers:
        names = ", ".join(flasher.tool for flasher in board.flashers)
        raise UserError(f"{tool!r} does not write {board.name}; available: {names}")
    return next((f for f in flashers if _find(TOOLS[f.tool]) is not None), flashers[0])


def _file(board: Board, image: Path, tool: str) -> Path:
    """Return the file to write: `image`, or the file in a folder that suits the tool best.

    Raises:
        UserError: the file is missing, too large, for another board, or not for the tool.
    """
    suffixes = TOOLS[tool].suffixes
    if image.is_dir():
        built_for = project.read_board(image)
        if built_for.text != board.text:
            raise UserError(f"{image} was built for {built_for.name}, not for {board.name}")
        image = image / f"firmware{suffixes[0]}"
    if not image.is_file():
        raise UserError(f"file not found: {image}; {_maker(board)}")
    if image.suffix.lower() not in suffixes:
        raise UserError(f"{tool} writes {' or '.join(suffixes)} files, not {image}")
    size = image.stat().st_size
    if size == 0:
        raise UserError(f"{image} is empty; build the firmware again")
    if image.suffix.lower() == ".bin" and size > board.flash.size:
        excess = size - board.flash.size
        raise UserError(f"{image} is {excess:,} bytes larger than the flash of {board.name}")
    return image


def _maker(board: Board) -> str:
    """Return how images for a board are built."""
    if board.no_image is not None:
        return board.no_image
    return f"`edge-sr firmware build --board {board_file.option(board)}` builds one"


# --- running the tool


def run(flashing: Flashing) -> None:
    """Run the tool; its output goes to standard error as it comes.

    Raises:
        UserError: the tool is missing, or no board answers.
        VerificationError: the tool failed; the text states the board's likely state.
        Interrupted: Ctrl-C stopped the tool.
    """
    name, tool = flashing.name, flashing.tool
    if _find(tool) is None:
        board = flashing.board.name
        raise UserError(
            f"flashing {board} needs {name}, which is missing; install it: {tool.install}"
        )
    watch, stopping = _Watch(tool), _Stopping()
    before = signal.signal(signal.SIGINT, stopping.ask)
    try:
        code = _follow(_start(flashing.command), watch, stopping)
    finally:
        signal.signal(signal.SIGINT, before)
    if stopping.asked:
        raise Interrupted(_state(flashing, watch))
    if code != 0:
        raise _failure(flashing, watch, code)


def _follow(process: "subprocess.Popen[bytes]", watch: "_Watch", stopping: "_Stopping") -> int:
    """Pass on a tool's output until it ends; return its exit code."""
    assert process.stdout is not None  # it is a pipe
    try:
        while process.poll() is None:
            watch.take(process.stdout.fileno(), _TURN)
            stopping.turn(process)
        while watch.take(process.stdout.fileno(), 0):
            pass
        return process.returncode
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _start(command: tuple[str, ...]) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches the tool only through us
        )
    except OSError as error:
        raise UserError(f"{command[0]} cannot be run: {error.strerror}") from None


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while a tool ran; the text states the board's likely state."""


class _Stopping:
    """Passes Ctrl-C on to a tool with stronger and stronger signals; a second one does not wait."""

    def __init__(self) -> None:
        self.asked = False
        self._sent = 0
        self._due = 0.0

    def ask(self, *_: object) -> None:
        """Handle SIGINT without an exception, so that no output of the tool is lost."""
        self.asked = True
        self._due = 0.0

    def turn(self, process: "subprocess.Popen[bytes]") -> None:
        """Send the next signal if it is due."""
        if not self.asked or self._sent == len(_STOPS) or time.monotonic() < self._due:
            return
        number, patience = _STOPS[self._sent]
        self._sent += 1
        self._due = time.monotonic() + patience
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)


class _Watch:
    """The output of a tool, and whether it has started to write the flash."""

    def __init__(self, tool: Tool) -> None:
        self._tool = tool
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._ended = False
        self.said = ""
        self.began = False

    def take(self, pipe: int, seconds: float) -> bool:
        """Copy the tool's output of the next `seconds` to stderr; return whether there was any."""
        if self._ended:
            time.sleep(seconds)
            return False
        if not select.select([pipe], [], [], seconds)[0]:
            return False
        chunk = os.read(pipe, _READ_BYTES)
        self._ended = not chunk
        text = self._decoder.decode(chunk)
        sys.stderr.write(text)
        sys.stderr.flush()
        self.said = (self.said + text)[-_KEPT_CHARACTERS:]
        self.began = self.began or re.search(self._tool.writing, self.said) is not None
        return not self._ended

    @property
    def no_board(self) -> bool:
        """Return whether the tool never reached a board."""
        return not self.began and re.search(self._tool.absent, self.said) is not None

    @property
    def last_words(self) -> str:
        """Return the last line that names an error, or the last line."""
        lines = [line.strip() for line in re.split(r"[\r\n]+", self.said) if line.strip()][-12:]
        for pattern in (r"error|fail", r"unable|couldn't|could not|\bno\b", ""):
            named = [line for line in lines if re.search(pattern, line, re.IGNORECASE)]
            if named:
                return named[-1]
        return "no message"


def _failure(flashing: Flashing, watch: _Watch, code: int) -> Exception:
    name, board = flashing.name, flashing.board.name
    if watch.no_board:
        return UserError(
            f"{name} found no {board} ({watch.last_words}): {flashing.tool.connect}; "
            "nothing was written"
        )
    end = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return VerificationError(f"{name} {end} ({watch.last_words}): {_state(flashing, watch)}")


def _state(flashing: Flashing, watch: _Watch) -> str:
    """Return the likely state of a board whose tool did not finish."""
    board = flashing.board.name
    if not watch.began:
        return f"it had not started to write, so the flash of {board} is unchanged"
    return (
        f"it had started to write, so the flash of {board} is probably incomplete and the board "
        f"will not start until it is written again; {flashing.tool.rescue}"
    )
