"""The programs that write flash: their command lines, and how to read their output."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_WRITING = "edge-sr-writes"


@dataclass(frozen=True)
class Job:
    """A file for a tool to write.

    Attributes:
        program: the tool's path, or its name if it is missing.
        image: absolute path of the file.
        address: start address of a file without addresses.
        target: the tool's name of the board.
        port: the serial port; None: the tool's choice.
    """

    program: str
    image: Path
    address: int
    target: str
    port: str | None


@dataclass(frozen=True)
class Tool:
    """A program that writes flash.

    Attributes:
        programs: its possible names.
        target: the meaning of `target` in a board file; None: it needs none.
        serial: whether it takes a serial port.
        suffixes: of the files that it writes, the best first.
        command: returns program and arguments for a job.
        writing: pattern of its output once it writes the flash.
        absent: pattern of its output when no board answers.
        install: how to install it.
        connect: how to make a board answer.
        rescue: how to reach a board whose flash is incomplete.
    """

    programs: tuple[str, ...]
    target: str | None
    serial: bool
    suffixes: tuple[str, ...]
    command: Callable[[Job], list[str]]
    writing: str
    absent: str
    install: str
    connect: str
    rescue: str


def _tcl(text: str) -> str:
    """Return a text as one word of Tcl."""
    return re.sub(r"([^A-Za-z0-9_./-])", r"\\\1", text)


def _openocd(job: Job) -> list[str]:
    # Not OpenOCD's `program`, which would parse the path a second time.
    image = _tcl(str(job.image))
    steps = ["init", "reset halt", f"echo {_WRITING}", f"flash write_image erase {image}"]
    steps += [f"verify_image {image}", "reset run", "shutdown"]
    return [job.program, "-f", job.target, *(word for step in steps for word in ("-c", step))]


def _st_flash(job: Job) -> list[str]:
    return [job.program, "--reset", "write", str(job.image), f"{job.address:#010x}"]


def _esptool(job: Job) -> list[str]:
    port = [] if job.port is None else ["--port", job.port]
    write = ["write_flash", f"{job.address:#x}", str(job.image)]
    return [job.program, "--chip", job.target, *port, *write]


def _picotool(job: Job) -> list[str]:
    place = ["-o", f"{job.address:#x}"] if job.image.suffix == ".bin" else []
    return [job.program, "load", "-v", "-x", str(job.image), *place]


def _nrfjprog(job: Job) -> list[str]:
    write = ["--program", str(job.image), "--sectorerase", "--verify", "--reset"]
    return [job.program, "--family", job.target, *write]


def _bossac(job: Job) -> list[str]:
    port = [] if job.port is None else [f"--port={job.port}"]
    return [job.program, *port, "-U", "-i", "-e", "-w", str(job.image), "-R"]


def _cube_programmer(job: Job) -> list[str]:
    folder = Path(job.program).resolve().parent if os.sep in job.program else Path()
    loader = folder / "ExternalLoader" / job.target
    place = [f"{job.address:#010x}"] if job.image.suffix == ".bin" else []
    connect = ["-c", "port=SWD", "mode=HOTPLUG", "-el", str(loader), "-hardRst"]
    return [job.program, *connect, "-w", str(job.image), *place, "-v"]


_PROBE = "connect the USB port of the board's debug probe, and check that you may access it"
_PROBE_RESCUE = "the debug probe still reaches it"

TOOLS = {
    "openocd": Tool(
        programs=("openocd",),
        target="a configuration file of OpenOCD's, such as board/st_nucleo_h743zi.cfg",
        serial=False,
        suffixes=(".elf", ".hex"),
        command=_openocd,
        writing=_WRITING,
        absent=r"open failed|unable to (open|find)|[Nn]o .*device found|[Cc]ouldn't find",
        install="`apt-get install openocd`",
        connect=_PROBE,
        rescue=_PROBE_RESCUE,
    ),
    "st-flash": Tool(
        programs=("st-flash",),
        target=None,
        serial=False,
        suffixes=(".bin",),
        command=_st_flash,
        writing=r"Attempting to write|[Ee]rasing|Flash page at|pages written",
        absent=r"Couldn't find any ST-Link|Failed to (connect|open)|unable to get the device",
        install="`apt-get install stlink-tools`",
        connect=_PROBE,
        rescue=_PROBE_RESCUE,
    ),
    "esptool": Tool(
        programs=("esptool", "esptool.py"),
        target="esptool's name of a chip, such as esp32s3",
        serial=True,
        suffixes=(".bin",),
        command=_esptool,
        writing=r"Eras(ing|ed)|will be erased|Compressed \d+|Writing at|Wrote \d+",
        absent=r"No serial data received|Could not (open|connect)|[Nn]o serial ports|"
        r"Failed to connect|doesn't exist|port is busy",
        install="`pip install esptool`",
        connect="connect it, name its serial port with --port, and hold BOOT while you press RESET",
        rescue="its ROM boot loader still answers if BOOT is held at reset",
    ),
    "picotool": Tool(
        programs=("picotool",),
        target=None,
        serial=False,
        suffixes=(".elf", ".uf2", ".bin"),
        command=_picotool,
        writing=r"Loading into|[Ee]rasing",
        absent=r"[Nn]o accessible RP",
        install="https://github.com/raspberrypi/picotool",
        connect="hold BOOTSEL while you plug it in",
        rescue="it still answers if BOOTSEL is held while it is plugged in",
    ),
    "nrfjprog": Tool(
        programs=("nrfjprog",),
        target="nrfjprog's name of a family, such as NRF52",
        serial=False,
        suffixes=(".hex",),
        command=_nrfjprog,
        writing=r"[Ee]rasing|[Pp]rogramming",
        absent=r"no debugger connected|no emulator connected|[Cc]annot connect",
        install="Nordic's nRF Command Line Tools",
        connect=_PROBE,
        rescue=_PROBE_RESCUE,
    ),
    "bossac": Tool(
        programs=("bossac",),
        target=None,
        serial=True,
        suffixes=(".bin",),
        command=_bossac,
        writing=r"Erase flash|Write \d+ bytes",
        absent=r"No device found|SAM-BA operation failed|Failed to open",
        install="Arduino's package arduino:bossac (the upstream one lacks the nRF52840)",
        connect="connect it, name its serial port with --port, and press RESET twice",
        rescue="its boot loader still answers after RESET is pressed twice",
    ),
    "STM32_Programmer_CLI": Tool(
        programs=("STM32_Programmer_CLI",),
        target="a file of STM32CubeProgrammer's folder ExternalLoader",
        serial=False,
        suffixes=(".hex", ".bin"),
        command=_cube_programmer,
        writing=r"[Ee]rasing|Download in Progress|Memory Programming",
        absent=r"No ST-?L[Ii][Nn][Kk]|No debug probe|Unable to get core ID|No STM32 target",
        install="ST's STM32CubeProgrammer",
        connect="set its boot switches to development mode, and connect its ST-LINK's USB port",
        rescue="in development mode the debug probe still reaches it",
    ),
}
