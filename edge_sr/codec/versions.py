"""Tells the versions of .tcz files apart (`docs/reference/tcz.md`)."""

from typing import BinaryIO

from edge_sr.codec import container, container2, header, header2
from edge_sr.codec.header import MAGIC, MAX_PIXELS, TRUNCATED, check_magic
from edge_sr.errors import UserError
from edge_sr.files import read_at_most

_READERS = {header.VERSION: container.read, header2.VERSION: container2.read}


def version_of(data: bytes) -> int:
    """Return the version of a file: 1 or 2.

    Args:
        data: the file, or at least its first 5 bytes.

    Raises:
        UserError: the data is not a .tcz file, is truncated before its version, or has another.
    """
    check_magic(data)
    if len(data) == len(MAGIC):
        raise UserError(TRUNCATED)
    version = data[len(MAGIC)]
    if version not in _READERS:
        known = " and ".join(map(str, _READERS))
        raise UserError(
            f"this .tcz file has version {version}, and this decoder reads versions {known}; "
            "use a newer decoder"
        )
    return version


def read(stream: BinaryIO, max_pixels: int = MAX_PIXELS) -> bytes:
    """Read a file of any version from a stream, and at most one byte more than it states.

    Raises:
        UserError: the header is damaged, truncated or of an unknown version or kind, or the image
            has more than `max_pixels`.
    """
    start = read_at_most(stream, len(MAGIC) + 1)
    return _READERS[version_of(start)](stream, max_pixels, start)
