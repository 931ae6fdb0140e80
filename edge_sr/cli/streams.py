"""Standard input and output as files: a path of "-"."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from edge_sr.cli.common import check_new
from edge_sr.errors import UserError, reason
from edge_sr.files import replacing

STANDARD = Path("-")


def name_of(path: Path) -> str:
    """Return the name of an input for messages."""
    return "standard input" if path == STANDARD else str(path)


@contextlib.contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """Open a file, or standard input, for reading bytes.

    Raises:
        UserError: the file is missing, a folder, or not readable.
    """
    if path == STANDARD:
        yield sys.stdin.buffer
        return
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file")
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason(error)}") from None


def check_output(path: Path, force: bool) -> None:
    """Refuse an output before any work is done.

    Raises:
        UserError: the file exists or cannot be written, or standard output is a terminal.
    """
    if path != STANDARD:
        check_new(path, force)
    elif sys.stdout.isatty():
        raise UserError("standard output is a terminal; name a file or a pipe")


def write(path: Path, data: bytes) -> None:
    """Write a file (whole or not at all), or standard output.

    Raises:
        UserError: the file or standard output cannot be written.
    """
    if path == STANDARD:
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise UserError(f"cannot write to standard output: {error.strerror}") from None
        return
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add the input's name to error messages that lack it."""
    try:
        yield
    except MemoryError:
        raise UserError(f"{name_of(path)} does not fit in memory") from None
    except UserError as error:
        text, name = str(error), name_of(path)
        raise UserError(text if name in text else f"{name}: {text}") from None
