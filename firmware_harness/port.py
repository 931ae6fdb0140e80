"""Writes what any program for a board needs: Makefile, start-up code, linker script."""

import shutil
from pathlib import Path

from firmware_harness.board import Board

_HERE = Path(__file__).parent


def write(folder: Path, board: Board) -> None:
    """Write it into a folder; sources in its engine/, model/ and app/ are built along."""
    shutil.copyfile(_HERE / "app" / "Makefile", folder / "Makefile")
    (folder / "board.mk").write_text(
        f"# {board.title}, {board.core}\nBOARD_FLAGS := {' '.join(board.flags)}\n", encoding="utf-8"
    )
    copy_files(_HERE / "ports" / board.port, folder / "port", "*.*")
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
