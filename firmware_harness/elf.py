"""Reads sections from an ELF file that the build has made."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edge_sr.errors import UserError

_ALLOCATED = 2  # SHF_ALLOC: takes room on the board


class Section(NamedTuple):
    """A section that takes room on the board: address of its first byte, and its bytes."""

    address: int
    size: int


@dataclass(frozen=True)
class Flash:
    """Bytes of flash, by what they are for.

    Attributes:
        engine_text: the engine's code.
        engine_rodata: its constants.
        model: the plan with its weights.
        library: what the compiler's libraries add (memcpy, 64-bit arithmetic).
        harness: start-up, semihosting and the program around the engine.
        data: start values of variables.
    """

    engine_text: int
    engine_rodata: int
    model: int
    library: int
    harness: int
    data: int

    @property
    def engine_and_model(self) -> int:
        """What an application pays: everything but the harness."""
        return self.engine_text + self.engine_rodata + self.model + self.library + self.data

    @property
    def total(self) -> int:
        """The whole image."""
        return self.engine_and_model + self.harness


@dataclass(frozen=True)
class StaticRam:
    """Bytes of RAM that are known before anything runs.

    Attributes:
        arena: the engine's.
        data: variables with a start value.
        bss: variables without.
        latents: of a frame that is compressed.
        codec: the coder's state, and the row that is fed to the network.
    """

    arena: int
    data: int
    bss: int
    latents: int = 0
    codec: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.arena + self.data + self.bss + self.latents + self.codec


def measure(image: Path) -> tuple[Flash, StaticRam]:
    """What the sections of the harness's linker script take.

    Raises:
        UserError: the file is missing or no image.
    """
    sizes = {name: section.size for name, section in read(image).items()}
    flash = Flash(
        engine_text=sizes.get(".engine_text", 0),
        engine_rodata=sizes.get(".engine_rodata", 0),
        model=sizes.get(".model", 0),
        library=sizes.get(".library", 0),
        harness=sum(sizes.get(name, 0) for name in (".vectors", ".text", ".rodata")),
        data=sizes.get(".data", 0),
    )
    bss = sizes.get(".bss", 0) + sizes.get(".result", 0)
    ram = StaticRam(
        arena=sizes.get(".arena", 0),
        data=sizes.get(".data", 0),
        bss=bss,
        latents=sizes.get(".latents", 0),
        codec=sizes.get(".codec", 0),
    )
    return flash, ram


def read(image: Path) -> dict[str, Section]:
    """The sections of an image, by name.

    Raises:
        UserError: the file is missing or no image.
    """
    try:
        return sections(image.read_bytes())
    except (FileNotFoundError, struct.error, ValueError, IndexError):
        raise UserError(f"{image} is missing or damaged; build the firmware again") from None


def sections(image: bytes) -> dict[str, Section]:
    """Every section that takes room on the board (32-bit little-endian ELF), by name."""
    (start,) = struct.unpack_from("<I", image, 32)
    size, count, names = struct.unpack_from("<HHH", image, 46)
    headers = [struct.unpack_from("<10I", image, start + index * size) for index in range(count)]
    texts = headers[names][4]
    found = {}
    for name, _, flags, address, _, section_bytes, *_ in headers:
        if flags & _ALLOCATED:
            begin = texts + name
            text = image[begin : image.index(b"\0", begin)].decode()
            found[text] = Section(address, section_bytes)
    return found
