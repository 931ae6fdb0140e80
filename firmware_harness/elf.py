"""Read the section sizes of an ELF image."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edge_sr.errors import UserError

_ALLOCATED = 2  # SHF_ALLOC: occupies memory on the board


class Section(NamedTuple):
    """A section that occupies memory on the board: address of its first byte, and size."""

    address: int
    size: int


@dataclass(frozen=True)
class Flash:
    """Flash of an image in bytes, by part.

    Attributes:
        engine_text: the engine's code.
        engine_rodata: the engine's constants.
        model: the plan with its weights.
        library: the compiler's libraries (memcpy, 64-bit arithmetic).
        harness: start-up, semihosting and the program around the engine.
        data: initial values of variables.
    """

    engine_text: int
    engine_rodata: int
    model: int
    library: int
    harness: int
    data: int

    @property
    def engine_and_model(self) -> int:
        """Return what an application needs: everything but the harness."""
        return self.engine_text + self.engine_rodata + self.model + self.library + self.data

    @property
    def total(self) -> int:
        """Return the size of the whole image."""
        return self.engine_and_model + self.harness


@dataclass(frozen=True)
class StaticRam:
    """RAM of an image in bytes, by part, as known at build time.

    Attributes:
        arena: the engine's arena.
        data: variables with an initial value.
        bss: variables without.
        latents: the latents of a compressed frame.
        codec: the coder's state, and the row that the network reads.
    """

    arena: int
    data: int
    bss: int
    latents: int = 0
    codec: int = 0

    @property
    def total(self) -> int:
        """Return the sum of all parts."""
        return self.arena + self.data + self.bss + self.latents + self.codec


def measure(image: Path) -> tuple[Flash, StaticRam]:
    """Return the flash and the RAM of an image, by the sections of the linker script.

    Raises:
        UserError: the file is missing or damaged.
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
    """Return the sections of an image, by name.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        return sections(image.read_bytes())
    except (FileNotFoundError, struct.error, ValueError, IndexError):
        raise UserError(f"{image} is missing or damaged; build the firmware again") from None


def sections(image: bytes) -> dict[str, Section]:
    """Return the sections of a 32-bit little-endian ELF that occupy memory, by name."""
    (start,) = struct.unpack_from("<I", image, 32)
    size, count, names = struct.unpack_from("<HHH", image, 46)
    headers = [struct.unpack_from("<10I", image, start + index * size) for index in range(count)]
    texts = headers[names][4]
    by_name = {}
    for name, _, flags, address, _, section_bytes, *_ in headers:
        if flags & _ALLOCATED:
            begin = texts + name
            text = image[begin : image.index(b"\0", begin)].decode()
            by_name[text] = Section(address, section_bytes)
    return by_name
