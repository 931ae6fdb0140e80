"""Compiles the engine's C sources into a shared library that ctypes loads; needs no Python headers.

The library is built with the package. Where it is missing or the sources have changed since (a
checkout that is edited), it is built when it is first used.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edge_sr.errors import UserError

SOURCES = Path(__file__).parent / "c"

FOLDER = Path(__file__).parent / "lib"
"""Where the library lies in a package."""

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
"""What the sources must pass on every compiler; not part of a user's build."""

_FLAGS = ("-std=c99", "-O3", "-fPIC", "-shared", "-fvisibility=default")
_SUFFIX = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")

# Each portable kernel once per instruction set; the loader picks one. Compilers or systems that
# cannot do this build it once, and those that do not know AVX-512 none of the kernels for it.
_CLONES = '-DESR_HOT=__attribute__((target_clones("avx512f","avx2","default")))'


def c_files() -> list[Path]:
    """The engine's C sources."""
    return sorted(SOURCES.glob("*.c"))


def library_name() -> str:
    """The name of the library's file, which changes with the sources and with how it is built."""
    digest = hashlib.sha256(repr((_FLAGS, _CLONES)).encode())
    for path in sorted(SOURCES.glob("*.[ch]")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return f"libesr-{digest.hexdigest()[:16]}{_SUFFIX}"


def find_compiler() -> str:
    """A C compiler: $CC, cc, gcc or clang.

    Raises:
        UserError: there is none.
    """
    names = [os.environ.get("CC", ""), "cc", "gcc", "clang"]
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        raise UserError(
            "the engine's library is not built and there is no C compiler here; install gcc or "
            "clang"
        )
    return found


def build(folder: Path) -> Path:
    """Compile the library into a folder, which is made.

    Raises:
        UserError: there is no C compiler, or it fails.
        OSError: the folder cannot be written to.
    """
    compiler = find_compiler()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / library_name()
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        made = Path(scratch) / target.name
        for extra in _variants():
            command = [compiler, *_FLAGS, *extra, *map(str, c_files()), "-o", str(made)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                made.replace(target)
                return target
    lines = done.stderr.strip().splitlines() or ["no message"]
    raise UserError(f"{compiler} cannot compile the engine: {lines[0]}")


def _variants() -> Iterator[tuple[str, ...]]:
    if sys.platform == "linux":
        yield (_CLONES,)
    yield ()
    yield ("-DESR_PORTABLE",)


def library() -> Path:
    """The library, built if need be: in the package, or in the user's cache.

    Raises:
        UserError: it is missing and cannot be built here.
    """
    name = library_name()
    folders = (FOLDER, _cache())
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    for folder in folders:
        try:
            return build(folder)
        except OSError:
            continue
    raise UserError(
        f"the engine's library is not built, and neither {folders[0]} nor {folders[1]} can be "
        "written to"
    )


def _cache() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(cache) / "edge-sr"
