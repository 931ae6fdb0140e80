"""The files of an export: their names, and how all of them appear in a folder together."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge_sr.errors import UserError
from export import manifest

_SUFFIXES = {"tflite": (".tflite",), "onnx": (".onnx",), "c": (".c", ".h")}
FORMATS = tuple(_SUFFIXES)
MANIFEST = "manifest.json"


def check_target(folder: Path, name: str, formats: Sequence[str], force: bool) -> None:
    """Check that an export may be written to a folder.

    Args:
        folder: where to; it may be missing.
        name: base name of the files.
        formats: some of `FORMATS`.
        force: whether an earlier export may be replaced.

    Raises:
        UserError: `folder` is a file, holds files that would be replaced without `force`, or has
            another manifest.json.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{folder} is a file; --out takes a folder")
        present = [entry for entry in file_names(name, formats) if (folder / entry).exists()]
        blocked = [entry for entry in present if (folder / entry).is_dir()]
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}") from None
    if present and not force:
        raise UserError(f"{folder} already has {present[0]}; --force replaces it")
    if blocked:
        raise UserError(f"{folder / blocked[0]} is a folder; a file of that name is to be written")
    _previous_files(folder)


def file_names(name: str, formats: Sequence[str]) -> list[str]:
    """Return the names of all files of an export, the manifest included."""
    suffixes = [suffix for kind in formats for suffix in _SUFFIXES[kind]]
    return [MANIFEST, *(name + suffix for suffix in suffixes)]


@contextlib.contextmanager
def staging_folder(folder: Path) -> Iterator[Path]:
    """Yield a hidden folder inside `folder`, so that files move out of it by a rename.

    It is removed at the end; after a failure, folders that were created for it are removed as well.

    Raises:
        UserError: `folder` cannot be created or written.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".edge-sr-export-", dir=folder))
    except OSError as error:
        _remove_empty(missing)
        raise UserError(f"cannot write to {folder}: {error.strerror}") from None
    try:
        yield scratch
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        _remove_empty(missing)
        raise
    shutil.rmtree(scratch, ignore_errors=True)


def _remove_empty(folders: Sequence[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _previous_files(folder: Path) -> list[str]:
    """The files of an earlier export in `folder` that still exist.

    Raises:
        UserError: the folder has a manifest.json that is not of an export.
    """
    if not (folder / MANIFEST).exists():
        return []
    try:
        name = manifest.read(folder / MANIFEST).name
    except UserError as error:
        raise UserError(f"{folder} has a {MANIFEST} that is not of an export ({error})") from None
    return [entry for entry in file_names(name, FORMATS) if (folder / entry).is_file()]


def put_in_place(scratch: Path, folder: Path) -> None:
    """Move the new files in and an earlier export out; if that fails, undo all of it.

    Args:
        scratch: holds the new files; see `staging_folder`.
        folder: where to.

    Raises:
        UserError: a file cannot be moved.
    """
    new = sorted(path.name for path in scratch.iterdir())
    old = {*_previous_files(folder), *(name for name in new if (folder / name).exists())}
    previous = scratch / "previous"
    previous.mkdir()
    moves = [(folder / name, previous / name) for name in sorted(old)]
    moves += [(scratch / name, folder / name) for name in new]
    done: list[tuple[Path, Path]] = []
    try:
        for source, target in moves:
            source.rename(target)
            done.append((source, target))
    except BaseException as error:
        for source, target in reversed(done):
            target.rename(source)
        if isinstance(error, OSError):
            raise UserError(f"cannot write to {folder}: {error.strerror}") from None
        raise
