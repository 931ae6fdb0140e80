"""Compiles the engine's C sources into a shared library for ctypes, without Python headers.

The library is built with the package. If it is missing, or if the sources have changed since (in an
edited checkout), it is built at its first use.
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
"""The folder of the library in the package."""

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
"""Flags under which the sources must compile with every compiler; user builds do not set them."""

_FLAGS = ("-std=c99", "-O3", "-fPIC", "-shared", "-fvisibility=default")
_SUFFIX = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")

# Compiles each portable kernel once per instruction set; the loader selects one. `_variants` falls
# back to a single version, and then to a build without the kernels for AVX2 and AVX-512.
_CLONES = '-DESR_HOT=__attribute__((target_clones("avx2","default")))'


def c_files() -> list[Path]:
    """The engine's C sources."""
    return sorted(SOURCES.glob("*.c"))


def library_name() -> str:
    """The library's file name, which changes with the sources and the compiler's flags."""
    digest = hashlib.sha256(repr((_FLAGS, _CLONES)).encode())
    for path in sorted(SOURCES.glob("*.[ch]")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return f"libesr-{digest.hexdigest()[:16]}{_SUFFIX}"


def find_compiler() -> str:
    """The path of a C compiler: $CC, cc, gcc or clang, whichever is found first.

    Raises:
        UserError: none of them is installed.
    """
    names = [os.environ.get("CC", ""), "cc", "gcc", "clang"]
    compiler = next((path for name in names if name and (path := shutil.which(name))), None)
    if compiler is None:
        raise UserError(
            "the engine's library is not built and no C compiler was found; install gcc or clang"
        )
    return compiler


def build(folder: Path) -> Path:
    """Compile the library into a folder, created if missing, and return its path.

    Raises:
        UserError: no C compiler was found, or it fails.
        OSError: the folder is not writable.
    """
    compiler = find_compiler()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / library_name()
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        library_file = Path(scratch) / target.name
        for extra in _variants():
            command = [compiler, *_FLAGS, *extra, *map(str, c_files()), "-o", str(library_file)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                library_file.replace(target)
                return target
    lines = done.stderr.strip().splitlines() or ["no message"]
    raise UserError(f"{compiler} cannot compile the engine: {lines[0]}")


def _variants() -> Iterator[tuple[str, ...]]:
    """Extra flags to try, one set after the other until the compiler accepts one."""
    if sys.platform == "linux":
        yield (_CLONES,)
    yield ()
    yield ("-DESR_PORTABLE",)


def library() -> Path:
    """The library's path; a missing library is built in the package or in the user's cache.

    Raises:
        UserError: the library is missing and cannot be built.
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
        f"the engine's library is not built, and neither {folders[0]} nor {folders[1]} is writable"
    )


def _cache() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(cache) / "edge-sr"
