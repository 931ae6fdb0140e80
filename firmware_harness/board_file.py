"""Find and read board files; every value is checked, as it reaches compilers and other tools."""

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge_sr.errors import UserError, reason
from firmware_harness.board import Board, Emulator, Flasher, Image, Region
from firmware_harness.flashers import TOOLS
from firmware_harness.port import BOOTS, PORTS

FOLDER = Path(__file__).parent / "boards"

_MAX_BYTES = 65536
_ADDRESSES = 2**32
_MAX_MEMORY = 2**30
_MIN_STACK = 512

_KEYS = (
    *("title", "core", "stack", "flash", "ram", "external_ram", "port", "boot", "flags"),
    *("no_image", "emulator", "flasher"),
)

_TITLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 +.,()/-]{0,79}")
_SENTENCE = re.compile(r"[ -~]{1,400}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
_CPU = re.compile(r"[a-z0-9][a-z0-9,=-]{0,79}")
_TARGET = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*/)*[A-Za-z0-9_][A-Za-z0-9_.-]*")

_FLAG = re.compile(r"-m[a-z][A-Za-z0-9=+._-]*|-O[0-3s]|-f(?!plugin)[a-z][a-z0-9-]*")
"""Flags for core and optimization; other flags could run programs or write files."""


class _WrongError(Exception):
    """An error in a board file; the text says what is wrong and what would be right."""


class _Table:
    """A TOML table whose keys are taken one by one; keys that are left at the end are errors.

    Unknown keys are refused first: a misspelt key says more than the one that is then missing.
    """

    def __init__(self, fields: dict[str, Any], keys: tuple[str, ...], place: str = "") -> None:
        self._fields = dict(fields)
        self._place = place
        self._refuse(key for key in fields if key not in keys)

    def has(self, key: str) -> bool:
        return key in self._fields

    def text(self, key: str, pattern: re.Pattern[str], what: str) -> str:
        value = self._take(key, what)
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            raise self._wrong(key, what, value)
        return value

    def optional(self, key: str, pattern: re.Pattern[str], what: str) -> str | None:
        return self.text(key, pattern, what) if self.has(key) else None

    def choice(self, key: str, names: Any) -> str:
        what = f"one of {', '.join(names)}"
        value = self._take(key, what)
        if not isinstance(value, str) or value not in names:
            raise self._wrong(key, what, value)
        return value

    def number(self, key: str, low: int, high: int) -> int:
        what = f"a whole number from {low} to {high}"
        value = self._take(key, what)
        if type(value) is not int or not low <= value <= high:
            raise self._wrong(key, what, value)
        return value

    def words(self, key: str, pattern: re.Pattern[str], what: str) -> tuple[str, ...]:
        values = self._take(key, what)
        if not isinstance(values, list) or not values:
            raise self._wrong(key, what, values)
        for value in values:
            if not isinstance(value, str) or pattern.fullmatch(value) is None:
                raise self._wrong(key, what, value)
        return tuple(values)

    @contextmanager
    def table(self, key: str, *keys: str) -> Iterator["_Table"]:
        value = self._take(key, "a table")
        if not isinstance(value, dict):
            raise self._wrong(key, "a table", value)
        inner = _Table(value, keys, f"{self._place}{key}.")
        yield inner
        inner.finish()

    def tables(self, key: str, *keys: str) -> Iterator["_Table"]:
        values = self._fields.pop(key, [])
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            raise self._wrong(key, f"tables, each under [[{key}]]", values)
        for value in values:
            inner = _Table(value, keys, f"{self._place}{key}.")
            yield inner
            inner.finish()

    def finish(self) -> None:
        self._refuse(self._fields)

    def _refuse(self, unknown: Iterable[str]) -> None:
        for key in unknown:
            raise _WrongError(f"unknown key `{self._place}{_shown(key)[1:-1]}`")

    def _take(self, key: str, what: str) -> Any:
        if key not in self._fields:
            raise _WrongError(f"`{self._place}{key}` is missing; it must be {what}")
        return self._fields.pop(key)

    def _wrong(self, key: str, what: str, value: object) -> _WrongError:
        return _WrongError(f"`{self._place}{key}` must be {what}, not {_shown(value)}")


def _shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def names() -> list[str]:
    """Return the names of all boards."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def emulated() -> list[str]:
    """Return the names of the boards that QEMU emulates."""
    return [name for name in names() if find(name).emulator is not None]


def find(name: str) -> Board:
    """Return the board with this name, or the one in this .toml file.

    Raises:
        UserError: the board is unknown, or the file is not a board file.
    """
    if name.endswith(".toml") or os.sep in name:
        return read(Path(name))
    if name not in names():
        raise UserError(f"unknown board {name!r}; {_hint(name)}")
    return read(FOLDER / f"{name}.toml")


def option(board: Board) -> str:
    """Return the value of --board for a board: its name, or the name of the user's own file."""
    shipped = board.name in names() and find(board.name).text == board.text
    return board.name if shipped else f"{board.name}.toml"


def _hint(name: str) -> str:
    alike = difflib.get_close_matches(name.lower(), names(), 3, 0.5)
    plain = name.lower().replace("-", "")
    within = [known for known in names() if plain and plain in known.replace("-", "")]
    near = list(dict.fromkeys((*within, *alike)))[:3]
    if near:
        return f"did you mean {' or '.join(near)}? `edge-sr firmware boards` lists all boards"
    return "`edge-sr firmware boards` lists all boards, and a .toml file of your own works too"


def read(path: Path, name: str | None = None) -> Board:
    """Read the board in a file.

    Args:
        path: the file.
        name: the board's name; None: the file's name without its suffix.

    Raises:
        UserError: the file cannot be read, is incomplete or has invalid values.
    """
    try:
        return _parse(path.stem if name is None else name, _content(path))
    except _WrongError as error:
        raise UserError(f"{path} is not a board file: {error}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UserError(f"{path} is not valid TOML: {error}") from None


def _content(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"cannot read the board file {path}: it is not a file")
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise UserError(f"cannot read the board file {path}: {reason(error)}") from None
    if len(content) > _MAX_BYTES:
        raise _WrongError(f"it is larger than {_MAX_BYTES:,} bytes")
    return content


def _parse(name: str, content: bytes) -> Board:
    if _WORD.fullmatch(name) is None:
        raise _WrongError(
            "its name, which becomes the board's, must consist of letters, digits, - _ and ., "
            "and start with a letter or digit"
        )
    text = content.decode("utf-8")
    return _board(name, text, _Table(tomllib.loads(text), _KEYS))


def _board(name: str, text: str, top: _Table) -> Board:
    board = Board(
        name=name,
        title=top.text("title", _TITLE, "a line of letters, digits and + . , ( ) / -"),
        core=top.text("core", _TITLE, "the name of a processor core"),
        stack=top.number("stack", _MIN_STACK, _MAX_MEMORY),
        flash=_region(top, "flash"),
        ram=_region(top, "ram"),
        external_ram=_external(top),
        image=_image(top),
        no_image=top.optional("no_image", _SENTENCE, "one line of ASCII text"),
        emulator=_emulator(top) if top.has("emulator") else None,
        flashers=tuple(_flasher(table) for table in top.tables("flasher", "tool", "target")),
        text=text,
    )
    top.finish()
    _check(board)
    return board


def _region(top: _Table, key: str) -> Region:
    with top.table(key, "origin", "bytes") as table:
        return Region(
            table.number("origin", 0, _ADDRESSES - 1), table.number("bytes", 1, _MAX_MEMORY)
        )


def _external(top: _Table) -> int:
    if not top.has("external_ram"):
        return 0
    with top.table("external_ram", "bytes") as table:
        return table.number("bytes", 1, _MAX_MEMORY)


def _image(top: _Table) -> Image | None:
    if not top.has("port"):
        return None
    return Image(
        port=top.choice("port", PORTS),
        boot=top.choice("boot", BOOTS) if top.has("boot") else None,
        flags=top.words("flags", _FLAG, "flags such as -mcpu=cortex-m4, -O2 or -fno-inline"),
    )


def _emulator(top: _Table) -> Emulator:
    with top.table("emulator", "machine", "cpu", "ticks_hz") as table:
        return Emulator(
            machine=table.text("machine", _WORD, "QEMU's name of a machine"),
            cpu=table.optional("cpu", _CPU, "QEMU's name of a processor"),
            ticks_hz=table.number("ticks_hz", 1, 10**10),
        )


def _flasher(table: _Table) -> Flasher:
    tool = table.choice("tool", TOOLS)
    what = TOOLS[tool].target
    return Flasher(tool, None if what is None else table.text("target", _TARGET, what))


def _check(board: Board) -> None:
    """Check the conditions between fields."""
    for name, region in (("flash", board.flash), ("ram", board.ram)):
        if region.origin + region.size > _ADDRESSES:
            raise _WrongError(f"`{name}` ends beyond the 32-bit address space")
        if region.origin % 8:
            raise _WrongError(f"`{name}.origin` must be a multiple of 8, not {region.origin:#x}")
    if max(board.flash.origin, board.ram.origin) < min(
        board.flash.origin + board.flash.size, board.ram.origin + board.ram.size
    ):
        raise _WrongError("`flash` and `ram` overlap")
    if board.stack % 8 or board.stack >= board.ram.size:
        raise _WrongError("`stack` must be a multiple of 8 and less than `ram.bytes`")
    if (board.image is None) == (board.no_image is None):
        raise _WrongError(
            "it must have either `port`, or `no_image`, which says why no image can be built"
        )
    if board.emulator is not None and board.image is None:
        raise _WrongError("`emulator` needs `port`")
