"""Writes files and folders whole or not at all, locks folders, and reads with a limit."""

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from edge_sr.errors import UserError

_PIECE = 1 << 20


def read_at_most(stream: BinaryIO, size: int) -> bytes:
    """Read at most `size` bytes; memory grows with the bytes read, not with `size`."""
    pieces = []
    while size > 0 and (piece := stream.read(min(size, _PIECE))):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def check_is_file(path: Path, needed: str) -> None:
    """Refuse a path that is not a file.

    Args:
        path: to be read.
        needed: what it should be, for messages, such as "a .tflite model".

    Raises:
        UserError: there is no such file, or it is a folder.
    """
    if not path.exists():
        raise UserError(f"cannot read {path}: no such file")
    if not path.is_file():
        raise UserError(f"cannot read {path}: it is not a file; {needed} is needed")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name next to `path`; rename it to `path` at the end, remove it on an error.

    Raises:
        UserError: `path` is a folder or cannot be written.
    """
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.part")
    try:
        if path.is_dir():
            raise UserError(f"cannot write {path}: it is a folder; give a file name")
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Create a folder and its missing parents.

    Raises:
        UserError: the system refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot create the folder {folder}: {error.strerror}") from None


def check_folder(folder: Path) -> None:
    """Refuse a folder that cannot be made or written to, before any work is done.

    Raises:
        UserError: the folder, or the nearest existing one above it, is a file or not writable.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise UserError(f"cannot write to {folder}: {existing} is a file; name another folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UserError(f"cannot write to {folder}: the folder {existing} is not writable")


def check_replaceable(folder: Path, force: bool, ours: Callable[[Path], bool], what: str) -> None:
    """Check that a folder may be replaced: one of ours if `force` is set, never any other.

    Args:
        folder: to be written; it may be missing or empty.
        force: whether an existing folder of ours may be replaced.
        ours: whether a folder was written by us.
        what: the content of such a folder, for messages, such as "a library project".

    Raises:
        UserError: `folder` is a file, holds something else, or exists and `force` is not set.
    """
    if not folder.exists() and not folder.is_symlink():
        return
    if not folder.is_dir():
        raise UserError(f"{folder} is a file; give a folder")
    if not any(folder.iterdir()):
        return
    if not ours(folder):
        raise UserError(f"{folder} holds something other than {what}; use another folder")
    if not force:
        raise UserError(f"{folder} exists; --force replaces it")


@contextlib.contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder; it replaces `folder` at the end and is removed on an error.

    Raises:
        UserError: `folder` cannot be written.
    """
    folder = folder.resolve()
    missing = [path for path in folder.parents if not path.exists()]
    make_folder(folder.parent)
    stem = f".{folder.name[:100]}.{secrets.token_hex(6)}"
    temporary, old = folder.with_name(f"{stem}.part"), folder.with_name(f"{stem}.old")
    try:
        temporary.mkdir()
        yield temporary
        _exchange(folder, temporary, old)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
        for path in missing:  # after an error they are empty
            with contextlib.suppress(OSError):
                path.rmdir()


def _exchange(folder: Path, new: Path, old: Path) -> None:
    """Rename `new` to `folder`, after moving an existing folder to `old`."""
    if not folder.exists():
        new.rename(folder)
        return
    folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        old.rename(folder)
        raise


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a folder for this process, creating it if missing; the lock ends with the process.

    Raises:
        UserError: another process holds the lock, or the folder cannot be written.
    """
    make_folder(folder)
    try:
        lock = (folder / ".lock").open("wb")
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(
                f"{folder} is in use by another process; wait for it, or use another folder"
            ) from None
        yield
