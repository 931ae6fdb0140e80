"""The wheel of edge-sr for a Linux machine: the user's own, or one built of these sources."""

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
    """Refuse what is not a wheel of edge-sr for Linux on such a machine, as `uname -m` calls it.

    Raises:
        UserError: so.
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
        raise UserError(f"{path.name} is for {tag}, but Linux on {machine} is there")


def build(folder: Path, machine: str) -> Path:
    """Build a wheel for Linux on a machine into a folder, with the machine's compiler.

    Raises:
        UserError: there are no sources here, or no compiler for that machine, or pip fails.
    """
    if not (_SOURCES / "setup.py").is_file():
        raise UserError("this edge-sr runs from no sources that a wheel could be built of; name a "
                        "wheel with --wheel")  # fmt: skip
    sources = folder / "sources"
    _copy(sources)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--wheel-dir", str(folder), *_isolation()]
    done = subprocess.run(
        [*command, str(sources)], env=os.environ | _environment(machine),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    made = next(folder.glob("edge_sr-*.whl"), None)
    if done.returncode != 0 or made is None:
        said = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
        raise UserError(f"pip cannot build a wheel of {_SOURCES}: {said[-1]}")
    with zipfile.ZipFile(made) as archive:
        if f"edge_sr/engine/lib/{engine.library_name()}" not in archive.namelist():
            raise UserError(f"the engine cannot be compiled for {machine} here; install gcc")
    return made


def _copy(sources: Path) -> None:
    """A copy: builds leave files behind, and take what they find of an earlier one."""
    ignored = shutil.ignore_patterns("__pycache__", "lib")
    for name in _PACKAGES:
        shutil.copytree(_SOURCES / name, sources / name, ignore=ignored)
    for name in _FILES:
        shutil.copy(_SOURCES / name, sources)


def _isolation() -> list[str]:
    """What builds wheels need not be fetched where it is already."""
    try:
        version = importlib.metadata.version("setuptools")
    except importlib.metadata.PackageNotFoundError:
        return []
    return ["--no-build-isolation"] if int(version.partition(".")[0]) >= _SETUPTOOLS else []


def _environment(machine: str) -> dict[str, str]:
    """Nothing for this machine's own kind; else the compiler, and the platform that pip is told."""
    if (platform.system(), platform.machine()) == ("Linux", machine):
        return {}
    compiler = f"{machine}-linux-gnu-gcc"
    if platform.system() != "Linux" or shutil.which(compiler) is None:
        raise UserError(
            f"there is no {compiler} here that could build the wheel for {machine}; on Debian, "
            f"`apt install gcc-{machine.replace('_', '-')}-linux-gnu` brings it, or name a wheel "
            "with --wheel"
        )
    return {"CC": compiler, "_PYTHON_HOST_PLATFORM": f"linux-{machine}"}
