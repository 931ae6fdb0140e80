"""Atheris target: decodes a hostile .tcz file of version 2, up to its symbols.

python tests/fuzz/fuzz_tcz2.py CORPUS -max_total_time=1800   (needs `pip install atheris`)

The first byte of an input selects repairs of the file after it, so that the fuzzer gets past
checksums and names: 1 the header's CRC, 2 the parts' CRCs and lengths, 4 the codec's place and
context. 8 selects salvage. Every file must give symbols of its intact parts, the same that the
decoder of docs/reference/tcz.md gives if there are few, or an error of one sentence.
"""

import io
import struct
import sys
import zlib
from dataclasses import asdict
from pathlib import Path

import atheris
import numpy as np

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS / "codec"), str(TESTS.parent)]

with atheris.instrument_imports(include=["edge_sr"]):
    import reference2
    from context_reference import random_master

    from edge_sr.codec import container, container2, context, header, header2, versions  # noqa: F401
    from edge_sr.engine import symbols as coder
    from edge_sr.errors import UserError

MAX_PIXELS = 4096
COMPARED = 40  # symbols
HEADER, PARTS, CODEC, SALVAGE = 1, 2, 4, 8
HEAD = 60

MASTERS = {channels: random_master(channels, channels, hidden=16) for channels in (1, 2, 5)}
ARRAYS = {
    channels: {
        name: array.astype(int if array.dtype == np.uint16 else float)
        for name, array in asdict(master).items()
    }
    for channels, master in MASTERS.items()
}
PLACES = (0, 200, 512)
CONTEXTS = {
    (channels, place): context.fold(master, place / 256)
    for channels, master in MASTERS.items()
    for place in PLACES
}
BY_HASH = {context.blob_hash(blob): blob for blob in CONTEXTS.values()}


def repaired(data: bytes, flags: int) -> bytes:
    """Repair what the fuzzer can hardly guess: hashes, lengths and checksums."""
    file = bytearray(data)
    if len(file) < HEAD:
        return data
    if flags & CODEC:
        channels, place = list(CONTEXTS)[file[8] % len(CONTEXTS)]
        struct.pack_into("<H", file, 8, channels)
        struct.pack_into("<H", file, 20, place)
        file[48:56] = context.blob_hash(CONTEXTS[channels, place])
    if flags & PARTS:
        repair_parts(file)
    if flags & HEADER:
        struct.pack_into("<I", file, 56, zlib.crc32(file[:56]))
    return bytes(file)


def repair_parts(file: bytearray) -> None:
    """Give each part but the last a length below 2^8, and all their CRCs."""
    at = HEAD
    while at + 8 < len(file):
        left = len(file) - at - 8
        size = min(left, 1 + file[at])
        crc = zlib.crc32(file[at + 8 : at + 8 + size])
        struct.pack_into("<2I", file, at, size, crc)
        at += 8 + size


def seeds() -> list[bytes]:
    """Small files, whole and truncated."""
    files = []
    for (channels, place), blob in CONTEXTS.items():
        for height, width, rows in ((5, 3, 2), (1, 1, 1), (3, 9, 7)):
            normal = np.random.default_rng(1).normal(0, 2, (height, width, channels))
            parts = coder.encode(np.rint(normal).astype(np.int8), blob, rows)
            head = header2.Header(
                *("seed", bytes(8), context.blob_hash(blob)),
                *(8 * width - 1, 8 * height, channels, place, rows),
            )
            file = container2.assemble(head, parts)
            files += [b"\x0f" + file, b"\x00" + file, b"\x08" + file[:-3]]
    return files


def decode(data: bytes, salvage: bool) -> tuple[container2.File, np.ndarray]:
    """The file, and the symbols of its intact parts."""
    assert versions.version_of(data) in (1, 2)
    read = versions.read(io.BytesIO(data), MAX_PIXELS)
    assert data.startswith(read)
    if versions.version_of(data) == 1:
        raise UserError("a file of version 1")
    file = container2.unpack(read, salvage, MAX_PIXELS)
    assert file == container2.unpack(data, salvage, MAX_PIXELS)
    head = file.header
    blob = BY_HASH.get(head.context_hash)
    if blob is None:
        raise UserError("an unknown context")
    symbols = coder.decode(file.parts, head.shape, blob, head.rows_per_part)
    container2.check_symbols(symbols, head)
    return file, symbols


def check_sentence(text: str) -> None:
    """The error of a bad file is one line."""
    assert text
    assert "\n" not in text


def try_file(data: bytes) -> None:
    """Read and decode one file."""
    if not data:
        return
    file = repaired(data[1:], data[0])
    try:
        unpacked, symbols = decode(file, bool(data[0] & SALVAGE))
    except UserError as error:
        check_sentence(str(error))
        return
    head = unpacked.header
    assert symbols.shape == (unpacked.rows, *head.shape[1:])
    assert 1 <= unpacked.pixel_rows <= head.height
    key = head.channels, head.place
    if symbols.size <= COMPARED and CONTEXTS.get(key) == BY_HASH[head.context_hash]:
        expected, _ = reference2.decode(file, ARRAYS[head.channels])
        assert np.array_equal(expected, symbols)


if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        corpus = Path(sys.argv[1])
        corpus.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds()):
            (corpus / f"seed{number}").write_bytes(seed)
    atheris.Setup(sys.argv, try_file)
    atheris.Fuzz()
