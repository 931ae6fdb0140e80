"""Writes what any program for a board needs: Makefile, start-up code, linker script."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from firmware_harness.board import Board

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Port:
    """What code of a port needs on this machine.

    Attributes:
        compiler: the prefix of its compiler's tools.
        packages: Debian's, that bring compiler and libraries.
        flags: of the compiler, for its libraries.
        emulator: QEMU's program.
        emulator_package: Debian's, that brings it.
        emulator_flags: of that program.
    """

    compiler: str
    packages: str
    flags: tuple[str, ...]
    emulator: str
    emulator_package: str
    emulator_flags: tuple[str, ...]


PORTS = {
    "cortex_m": Port(
        compiler="arm-none-eabi-",
        packages="gcc-arm-none-eabi libnewlib-arm-none-eabi",
        flags=(),
        emulator="qemu-system-arm",
        emulator_package="qemu-system-arm",
        emulator_flags=(),
    ),
    "riscv": Port(
        compiler="riscv64-unknown-elf-",
        packages="gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
        flags=("--specs=picolibc.specs",),
        emulator="qemu-system-riscv32",
        emulator_package="qemu-system-misc",
        emulator_flags=("-bios", "none"),
    ),
}

BOOTS = tuple(sorted(path.stem for path in (_HERE / "ports" / "boot").glob("*.c")))
"""What boot ROMs look for in an image, by their chip."""


def of(board: Board) -> Port:
    """The port that images for a board are built with.

    Raises:
        UserError: there are none.
    """
    return PORTS[board.bare_image().port]


def write(folder: Path, board: Board) -> None:
    """Write it into a folder; sources in its engine/, model/ and app/ are built along.

    Semihosting is left out where nothing would answer it.

    Raises:
        UserError: there are no images for the board.
    """
    image = board.bare_image()
    port = PORTS[image.port]
    flags = " ".join((*image.flags, *port.flags))
    shutil.copyfile(_HERE / "app" / "Makefile", folder / "Makefile")
    (folder / "board.mk").write_text(
        f"# {board.title}, {board.core}\nCROSS ?= {port.compiler}\nBOARD_FLAGS := {flags}\n",
        encoding="utf-8",
    )
    copy_files(_HERE / "ports" / "common", folder / "port", "*.*")
    if board.emulator is None:
        (folder / "port" / "semihosting.c").unlink()
    for path in sorted((_HERE / "ports" / image.port).glob("*.*")):
        shutil.copyfile(path, folder / "port" / path.name)
    if image.boot is not None:
        boot = f"{image.boot}.c"
        shutil.copyfile(_HERE / "ports" / "boot" / boot, folder / "port" / boot)
    (folder / "port" / "memory.ld").write_text(_memory_script(board), encoding="utf-8")


def _memory_script(board: Board) -> str:
    return (
        f"/* {board.title} */\n"
        f"stack_bytes = {board.stack};\n"
        "MEMORY\n{\n"
        f"    FLASH (rx) : ORIGIN = {board.flash.origin:#010x}, LENGTH = {board.flash.size}\n"
        f"    RAM (rwx) : ORIGIN = {board.ram.origin:#010x}, LENGTH = {board.ram.size}\n"
        "}\n"
    )


def copy_files(source: Path, target: Path, pattern: str) -> None:
    """Copy the files of a folder that match into a new one."""
    target.mkdir()
    for path in sorted(source.glob(pattern)):
        shutil.copyfile(path, target / path.name)
