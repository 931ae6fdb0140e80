"""Reads the device: its hardware, its software, and its present conditions.

The sources are /proc, /sys, vcgencmd and nvidia-smi; a fact without a source is None.
"""

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from edge_sr.cores import cores
from edge_sr.errors import UserError
from edge_sr.records import Conditions, Device, Software
from edge_sr.version import __version__

PACKAGES = (
    *("ai-edge-litert", "tflite-runtime", "onnxruntime", "onnxruntime-gpu", "tensorflow", "keras"),
    *("tflite-micro", "numpy"),
)
"""Distributions whose versions affect times."""

_ROOT = Path("/")
_THROTTLING = (
    (0, "under-voltage now"),
    (1, "frequency capped now"),
    (2, "throttled now"),
    (3, "soft temperature limit now"),
    (16, "under-voltage since start"),
    (17, "frequency capped since start"),
    (18, "throttled since start"),
    (19, "soft temperature limit since start"),
)
"""Bits of a Raspberry Pi's get_throttled, as its documentation names them."""


def parse_cores(text: str, here: bool) -> tuple[int, ...]:
    """Return the core numbers of a text such as "0,1", sorted.

    Args:
        text: numbers with commas.
        here: whether this machine must have the cores.

    Raises:
        UserError: the text is not a list of cores, or this machine lacks one of them.
    """
    try:
        chosen = tuple(sorted({int(core) for core in text.split(",")}))
    except ValueError:
        raise UserError(f"{text!r} is not a list of cores; write it like 0,1") from None
    if here:
        require_cores(chosen)
    return chosen


def require_cores(chosen: Iterable[int]) -> None:
    """Check that this process may use the cores.

    Raises:
        UserError: it may not use all of them.
    """
    available = cores()
    if not set(chosen) <= set(available):
        listed = ", ".join(map(str, available))
        raise UserError(f"--pin names cores that this machine lacks; available: {listed}")


def read_device(root: Path = _ROOT) -> Device:
    """Return the facts that do not change. `root` is the folder of proc and sys."""
    policy = root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    return Device(
        name=_text(root / "proc/device-tree/model"),
        cpu=_cpu(root),
        architecture=platform.machine(),
        cores=len(cores()),
        governor=_text(policy),
        ram_bytes=_ram(root),
        gpu=_gpu(),
        emulated=_emulator(root),
    )


def _text(path: Path) -> str | None:
    """Return a file's text without the kernel's trailing zeros and line ends."""
    try:
        return path.read_text(errors="replace").strip("\0\n ") or None
    except OSError:
        return None


def _cpu(root: Path) -> str:
    """Return the processor's name; on ARM lscpu has it, and /proc/cpuinfo has not."""
    cpuinfo = _text(root / "proc/cpuinfo") or ""
    match = re.search(r"^(?:model name|Processor|cpu model)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    if match:
        return match[1].strip()
    listed = re.search(r"^Model name:\s*(.+)$", _output_of("lscpu") or "", re.MULTILINE)
    return listed[1].strip() if listed else platform.processor() or platform.machine()


def _ram(root: Path) -> int | None:
    match = re.search(r"^MemTotal:\s*(\d+) kB$", _text(root / "proc/meminfo") or "", re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def _gpu() -> str | None:
    output = _output_of("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
    return output.splitlines()[0].strip() if output else None


def _emulator(root: Path) -> str | None:
    """Return "QEMU" in its user mode, which shows a program the host's own files in /proc."""
    machine = platform.machine()
    if machine not in ("aarch64", "armv7l", "riscv64"):
        return None
    cpuinfo = _text(root / "proc/cpuinfo") or ""
    translated = (root / f"proc/sys/fs/binfmt_misc/qemu-{machine}").exists()
    return "QEMU" if translated or re.search("AuthenticAMD|GenuineIntel", cpuinfo) else None


def _output_of(*command: str) -> str | None:
    """Return the output of a program, or None if it is missing or fails."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def read_software() -> Software:
    """Return the versions of the software."""
    return Software(
        edge_sr=__version__,
        git_revision=_revision(),
        os=_os(),
        python=platform.python_version(),
        packages=dict(_versions(PACKAGES)),
    )


def _versions(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    for name in names:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue


def _os() -> str:
    try:
        system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        system = platform.system()
    return f"{system}, {platform.system()} {platform.release()}"


def _revision() -> str | None:
    """Return the git revision of the running sources; None for an installed wheel."""
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():
        return None
    revision = _output_of("git", "-C", str(folder), "rev-parse", "HEAD")
    changed = _output_of("git", "-C", str(folder), "status", "--porcelain", "--untracked-files=no")
    return f"{revision}-dirty" if revision and changed else revision


def read_conditions(root: Path = _ROOT) -> Conditions:
    """Return the present conditions. `root` is the folder of proc and sys."""
    return Conditions(
        frequencies_mhz=_frequencies(root),
        temperature_c=_temperature(root),
        throttling=_throttling(root),
        load=_load(root),
        busy_ns=_busy(root),
    )


def _frequencies(root: Path) -> tuple[float, ...]:
    paths = sorted(root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq"))
    kilohertz = [text for path in paths if (text := _text(path)) and text.isdigit()]
    if kilohertz:
        return tuple(int(text) / 1000 for text in kilohertz)
    cpuinfo = _text(root / "proc/cpuinfo") or ""
    return tuple(map(float, re.findall(r"^cpu MHz\s*:\s*([\d.]+)$", cpuinfo, re.MULTILINE)))


def _temperature(root: Path) -> float | None:
    texts = [_text(path) for path in root.glob("sys/class/thermal/thermal_zone*/temp")]
    degrees = [int(text) / 1000 for text in texts if text and text.lstrip("-").isdigit()]
    return max(degrees, default=None)


def _throttling(root: Path) -> tuple[str, ...]:
    """Return a Raspberry Pi's flags, from the kernel (hexadecimal) or from vcgencmd."""
    text = _text(root / "sys/devices/platform/soc/soc:firmware/get_throttled")
    text = text or (_output_of("vcgencmd", "get_throttled") or "").removeprefix("throttled=")
    try:
        bits = int(text, 16)
    except ValueError:
        return ()
    return tuple(name for bit, name in _THROTTLING if bits >> bit & 1)


def _load(root: Path) -> float | None:
    text = _text(root / "proc/loadavg")
    return float(text.split()[0]) if text else None


def _busy(root: Path) -> int | None:
    """Return nanoseconds of user, nice, system, irq, softirq and steal of all cores."""
    text = _text(root / "proc/stat")
    if text is None or not text.startswith("cpu "):
        return None
    fields = [int(field) for field in text.splitlines()[0].split()[1:9]]
    ticks = sum(fields[index] for index in (0, 1, 2, 5, 6, 7) if index < len(fields))
    return ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def own_ns() -> int:
    """Processor time of this process and all its threads, nanoseconds."""
    return time.process_time_ns()
