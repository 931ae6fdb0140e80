"""Boards: what `boards/*.toml`, or a file of the user's own, says of each."""

from dataclasses import dataclass, field

from edge_sr.errors import UserError


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
        cpu: QEMU's name of the processor, where the machine leaves a choice.
        ticks_hz: rate there of what `port_ticks` counts.
    """

    machine: str
    cpu: str | None
    ticks_hz: int

    def instructions(self, ticks: int) -> int:
        """Executed instructions: QEMU is told to take one nanosecond for each."""
        return round(ticks * 1e9 / self.ticks_hz)


@dataclass(frozen=True)
class Image:
    """How a bare image is built for the board.

    Attributes:
        port: the folder of `ports` with its start-up code.
        boot: the file of `ports/boot` with what its boot ROM looks for.
        flags: of the compiler, for core and optimization.
    """

    port: str
    boot: str | None
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Flasher:
    """A tool that writes the board's flash.

    Attributes:
        tool: its name; `flashers.TOOLS` knows it.
        target: what the tool calls the board.
    """

    tool: str
    target: str | None


@dataclass(frozen=True)
class Board:
    """A board.

    Attributes:
        name: of its file.
        title: for people.
        core: its processor core, for people.
        stack: bytes that are reserved for the stack.
        flash: where code and constants lie.
        ram: where stack, data and arena lie: in one piece, and usable right after reset.
        external_ram: bytes of memory beside the chip, usable once a program has set it up; or 0.
        image: how it is built for; None where `no_image` says why it cannot be.
        no_image: why there is no bare image.
        emulator: how it is emulated.
        flashers: what writes its flash, the best first.
        text: the file.
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
        """How a bare image is built for it.

        Raises:
            UserError: it cannot be.
        """
        if self.image is None:
            raise UserError(f"there is no bare image for {self.name}: {self.no_image}")
        return self.image
