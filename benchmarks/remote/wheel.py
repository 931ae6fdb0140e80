"""Builds or checks the wheel of edge-sr for a Linux machine."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from edge_sr.engine import build as engine
from edge_sr.errors import UserError

_SOURCES = Path(__file__).parents[2]
_PACKAGES = ("benchmarks", "edge_sr", "export", "firmware_harness")
_FILES = ("setup.py", "pyproject.toml", "README.md", "LICENSE")
_SETUPTOOLS = 77


def check(path: Path, machine: str) -> None:
    """Check that a file is a wheel of edge-sr for Linux on a machine of this type (`uname -m`).

    Raises:
        UserError: it is another file, or a wheel for another machine.
    """
    if not path.is_file():
        raise UserError(f"{path} is not a file; --wheel takes a wheel of edge-sr")
    try:
        with zipfile.ZipFile(path) as archive:
            ours = "benchmarks/remote/target.py" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        ours = False
    if not ours or not path.name.startswith("edge_sr-") or path.suffix != ".whl":
        raise UserError(f"{path} is not a wheel of this edge-sr")
    tag = path.stem.rpartition("-")[2]
    if tag != "any" and not ("linux" in tag and tag.endswith(f"_{machine}")):
        raise UserError(f"{path.name} is for {tag}, but the target is Linux on {machine}")


def build(folder: Path, machine: str) -> Path:
    """Build a wheel for Linux on a machine of this type (`uname -m`) into a folder.

    Raises:
        UserError: sources or the compiler for the machine are missing, or pip fails.
    """
    if not (_SOURCES / "setup.py").is_file():
        raise UserError("this edge-sr has no sources to build a wheel from; name a wheel with "
                        "--wheel")  # fmt: skip
    sources = folder / "sources"
    _copy(sources)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--wheel-dir", str(folder), *_isolation()]
    done = subprocess.run(
        [*command, str(sources)], env=os.environ | _environment(machine),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    built = next(folder.glob("edge_sr-*.whl"), None)
    if done.returncode != 0 or built is None:
        output = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
        raise UserError(f"pip cannot build a wheel from {_SOURCES}: {output[-1]}")
    with zipfile.ZipFile(built) as archive:
        if f"edge_sr/engine/lib/{engine.library_name()}" not in archive.namelist():
            raise UserError(f"the engine cannot be compiled for {machine} here; install gcc")
    return built


def _copy(sources: Path) -> None:
    """Copy the sources: builds leave files behind and reuse those of earlier builds."""
    ignored = shutil.ignore_patterns("__pycache__", "lib")
    for name in _PACKAGES:
        shutil.copytree(_SOURCES / name, sources / name, ignore=ignored)
    for name in _FILES:
        shutil.copy(_SOURCES / name, sources)


def _isolation() -> list[str]:
    """Return pip's option that builds with the installed setuptools, where it is new enough."""
    try:
        version = importlib.metadata.version("setuptools")
    except importlib.metadata.PackageNotFoundError:
        return []
    return ["--no-build-isolation"] if int(version.partition(".")[0]) >= _SETUPTOOLS else []


def _environment(machine: str) -> dict[str, str]:
    """Return compiler and platform for pip; nothing for a machine of this type."""
    if (platform.system(), platform.machine()) == ("Linux", machine):
        return {}
    compiler = f"{machine}-linux-gnu-gcc"
    if platform.system() != "Linux" or shutil.which(compiler) is None:
        raise UserError(
            f"{compiler} is missing, which builds the wheel for {machine}; on Debian run "
            f"`apt install gcc-{machine.replace('_', '-')}-linux-gnu`, or name a wheel with --wheel"
        )
    return {"CC": compiler, "_PYTHON_HOST_PLATFORM": f"linux-{machine}"}
