"""Boards: what `boards/*.toml` says of each."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_sr.errors import UserError

FOLDER = Path(__file__).parent / "boards"


@dataclass(frozen=True)
class Region:
    """A piece of memory: address of its first byte, and its size in bytes."""

    origin: int
    size: int


@dataclass(frozen=True)
class Emulator:
    """How QEMU runs the board's code.

    Attributes:
        machine: QEMU's name of the board.
        systick_hz: rate of SysTick there.
    """

    machine: str
    systick_hz: int

    def instructions(self, ticks: int) -> int:
        """Executed instructions: QEMU is told to take one nanosecond for each."""
        return round(ticks * 1e9 / self.systick_hz)


@dataclass(frozen=True)
class Board:
    """A board.

    Attributes:
        name: of its file.
        title: for people.
        core: its processor core, for people.
        port: the folder of `ports` with its start-up code.
        flags: of the compiler, for core and optimization.
        stack: bytes that are reserved for the stack.
        flash: where code and constants lie.
        ram: where stack, data and arena lie.
        emulator: how it is emulated.
    """

    name: str
    title: str
    core: str
    port: str
    flags: tuple[str, ...]
    stack: int
    flash: Region
    ram: Region
    emulator: Emulator


def names() -> list[str]:
    """The boards that there are."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def find(name: str) -> Board:
    """The board of that name.

    Raises:
        UserError: there is none.
    """
    if name not in names():
        raise UserError(f"there is no board {name!r}; there are {', '.join(names())}")
    return _read(name, tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8")))


def _read(name: str, fields: dict[str, Any]) -> Board:
    return Board(
        name=name,
        title=fields["title"],
        core=fields["core"],
        port=fields["port"],
        flags=tuple(fields["flags"]),
        stack=fields["stack"],
        flash=Region(fields["flash"]["origin"], fields["flash"]["bytes"]),
        ram=Region(fields["ram"]["origin"], fields["ram"]["bytes"]),
        emulator=Emulator(fields["emulator"]["machine"], fields["emulator"]["systick_hz"]),
    )
