"""Table rows that `edge-sr firmware build` and `run` share."""

from typing import TYPE_CHECKING

from edge_sr.zoo import catalog

if TYPE_CHECKING:
    from firmware_harness.board import Board
    from firmware_harness.elf import Flash, StaticRam
    from firmware_harness.project import Project

EMULATED = "emulated: instructions, not cycles"


def project_rows(project: "Project", board: "Board") -> list[tuple[str, str]]:
    """Return the model and the board of a project."""
    name, part = catalog.split_part(project.name)
    model = f"{name}/{part}" if part else name
    size = f"width {project.width}"
    if project.height is not None:
        size = f"{project.width}x{project.height}"
    return [
        ("model", f"{model}, {size}"),
        ("board", f"{board.name}: {board.title}, {board.core}"),
    ]


def flash_rows(flash: "Flash") -> list[tuple[str, str]]:
    """Return the flash that an image takes, by part."""
    return [
        ("flash: engine code", f"{flash.engine_text:,} bytes"),
        ("flash: engine constants", f"{flash.engine_rodata:,} bytes"),
        ("flash: model", f"{flash.model:,} bytes"),
        ("flash: compiler libraries", f"{flash.library:,} bytes"),
        ("flash: data", f"{flash.data:,} bytes"),
        ("flash: engine and model", f"{flash.engine_and_model:,} bytes"),
        ("flash: start-up and test program", f"{flash.harness:,} bytes"),
    ]


def static_ram_rows(ram: "StaticRam") -> list[tuple[str, str]]:
    """Return the RAM that is known at build time, by part."""
    codec = [
        ("RAM: latents", f"{ram.latents:,} bytes"),
        ("RAM: coder and row", f"{ram.codec:,} bytes"),
    ]
    if not ram.latents:
        codec = [("RAM: coder, part and row", f"{ram.codec:,} bytes")]
    return [
        ("RAM: arena", f"{ram.arena:,} bytes"),
        ("RAM: data", f"{ram.data:,} bytes"),
        ("RAM: bss", f"{ram.bss:,} bytes"),
        *(codec if ram.codec else []),
    ]
