"""Atheris target: decodes a hostile .tcz file.

python tests/fuzz/fuzz_tcz.py CORPUS -max_total_time=1800   (needs `pip install atheris`)

The first byte of an input selects repairs of the file after it, so that the fuzzer gets past
checksums and names: 1 the header's CRC, 2 the planes' CRCs and lengths, 4 the network's name. 8
selects salvage. Every file must give an image of the header's size, or an error of one sentence.
"""

import io
import struct
import sys
import zlib
from pathlib import Path

import atheris

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS.parent)]

with atheris.instrument_imports(include=["edge_sr"]):
    from edge_sr.codec import codec, container, header, network, opening, planes, quantizer  # noqa: F401
    from edge_sr.codec.header import Colour
    from edge_sr.engine import coder  # noqa: F401
    from edge_sr.errors import UserError
    from edge_sr.zoo import catalog

MAX_PIXELS = 4096
HEADER, PLANES, NETWORK, SALVAGE = 1, 2, 4, 8

catalog.FOLDER = TESTS / "golden"
DECODERS = [opening.find(rate, int8) for rate in (4, 16) for int8 in (True, False)]


def repaired(data: bytes, flags: int) -> bytes:
    """Repair what the fuzzer can hardly guess: names, lengths and checksums."""
    file = bytearray(data)
    if len(file) < 44:
        return data
    if flags & NETWORK:
        decoder = DECODERS[file[11] % len(DECODERS)]
        struct.pack_into("<H", file, 10, decoder.rate)
        struct.pack_into("<16s8s", file, 20, decoder.id.encode(), decoder.hash)
    table, count = 44 + 8 * file[6], file[7]
    end = table + 8 * count
    if len(file) < end + 4:
        return bytes(file)
    if flags & PLANES:
        repair_planes(file, table, count)
    if flags & HEADER:
        struct.pack_into("<I", file, end, zlib.crc32(file[:end]))
    return bytes(file)


def repair_planes(file: bytearray, table: int, count: int) -> None:
    """Give each plane a length below 2^16 and its CRC; the last one takes the rest of the file."""
    start = table + 8 * count + 4
    for number in range(count):
        at = table + 8 * number
        left = len(file) - start
        size = left if number == count - 1 else min(left, struct.unpack_from("<H", file, at)[0])
        struct.pack_into("<2I", file, at, size, zlib.crc32(file[start : start + size]))
        start += size


def seeds() -> list[bytes]:
    """Small files of every network, whole and truncated."""
    import numpy as np

    files = []
    for decoder in DECODERS:
        for shape in ((9, 14, 3), (5, 3), (1, 1, 3)):
            pixels = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
            file = codec.compress(pixels, decoder, 1 + len(files) % 8)
            files += [b"\x0f" + file, b"\x00" + file, b"\x08" + file[:-3]]
    return files


def check_sentence(text: str) -> None:
    """The error of a bad file is one line."""
    assert text
    assert "\n" not in text


def try_file(data: bytes) -> None:
    """Read and decode one file."""
    if not data:
        return
    file, salvage = repaired(data[1:], data[0]), bool(data[0] & SALVAGE)
    try:
        assert file.startswith(container.read(io.BytesIO(file), MAX_PIXELS))
        decoded = codec.decompress(file, None, None, salvage, MAX_PIXELS)
    except UserError as error:
        check_sentence(str(error))
        return
    header = decoded.file.header
    colours = (3,) if header.colour is Colour.RGB else ()
    assert decoded.pixels.shape == (header.height, header.width, *colours)
    again = codec.decompress(file, None, None, salvage, MAX_PIXELS)
    assert (again.pixels == decoded.pixels).all()


if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        corpus = Path(sys.argv[1])
        corpus.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds()):
            (corpus / f"seed{number}").write_bytes(seed)
    atheris.Setup(sys.argv, try_file)
    atheris.Fuzz()
