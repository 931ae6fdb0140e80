"""The description of a board; `board_file` reads it from `boards/*.toml` or a user's file."""

from dataclasses import dataclass, field

from edge_sr.errors import UserError


@dataclass(frozen=True)
class Region:
    """A memory region: address of its first byte, and size in bytes."""

    origin: int
    size: int


@dataclass(frozen=True)
class Emulator:
    """The QEMU machine that runs a board's code.

    Attributes:
        machine: QEMU's name of the board.
        cpu: QEMU's name of the processor, if the machine has several.
        ticks_hz: frequency of `port_ticks` there.
    """

    machine: str
    cpu: str | None
    ticks_hz: int

    def instructions(self, ticks: int) -> int:
        """Return the executed instructions; under QEMU's options each takes one nanosecond."""
        return round(ticks * 1e9 / self.ticks_hz)


@dataclass(frozen=True)
class Image:
    """How a bare image is built for a board.

    Attributes:
        port: the folder of `ports` with the start-up code.
        boot: the file of `ports/boot` with the header that the boot ROM needs; None: no header.
        flags: compiler flags for core and optimization.
    """

    port: str
    boot: str | None
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Flasher:
    """A tool that writes a board's flash.

    Attributes:
        tool: its name in `flashers.TOOLS`.
        target: the tool's name of the board.
    """

    tool: str
    target: str | None


@dataclass(frozen=True)
class Board:
    """A board.

    Attributes:
        name: the name of its file.
        title: for people.
        core: the processor core, for people.
        stack: bytes reserved for the stack.
        flash: memory for code and constants.
        ram: memory for stack, data and arena: one contiguous block, usable right after reset.
        external_ram: bytes of memory outside the chip, which a program must set up first; or 0.
        image: how a bare image is built; None if `no_image` states why it cannot be.
        no_image: why no bare image can be built.
        emulator: how QEMU emulates it.
        flashers: the tools that write its flash, the best first.
        text: the content of the file.
    """

    name: str
    title: str
    core: str
    stack: int
    flash: Region
    ram: Region
    external_ram: int
    image: Image | None
    no_image: str | None
    emulator: Emulator | None
    flashers: tuple[Flasher, ...]
    text: str = field(repr=False)

    def bare_image(self) -> Image:
        """Return how a bare image is built.

        Raises:
            UserError: no bare image can be built for the board.
        """
        if self.image is None:
            raise UserError(f"no bare image can be built for {self.name}: {self.no_image}")
        return self.image
