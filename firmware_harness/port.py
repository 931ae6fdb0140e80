"""Write what every program for a board needs: Makefile, start-up code, linker script."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from firmware_harness.board import Board

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Port:
    """The tools of an architecture on this machine.

    Attributes:
        compiler: the prefix of the compiler's tools.
        packages: Debian's packages with compiler and libraries.
        flags: compiler flags for its libraries.
        emulator: QEMU's program.
        emulator_package: Debian's package with it.
        emulator_flags: flags of that program.
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
"""The chips whose boot ROM needs a header in the image."""


def of(board: Board) -> Port:
    """Return the port that images for a board are built with.

    Raises:
        UserError: no bare image can be built for the board.
    """
    return PORTS[board.bare_image().port]


def write(folder: Path, board: Board) -> None:
    """Write Makefile, port/ and linker script; the Makefile also builds engine/, model/ and app/.

    Semihosting is left out on boards without an emulator, where nothing answers it.

    Raises:
        UserError: no bare image can be built for the board.
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
    """Copy the files of a folder that match a pattern into a new folder."""
    target.mkdir()
    for path in sorted(source.glob(pattern)):
        shutil.copyfile(path, target / path.name)
