"""Files of version 2 as they are written, cut, damaged and forged."""

import dataclasses
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sr.codec import container2, versions
from edge_sr.codec.container import State
from edge_sr.codec.container2 import File
from edge_sr.codec.header2 import Header
from edge_sr.errors import UserError

HEADER = Header("cae-low-int8", b"\1\2\3\4\5\6\7\x08", b"contexts", 37, 50, 3, 640, 2)
PARTS = (b"some bytes", b"\0", b"\xff" * 30, b"the last part")
FILE = container2.assemble(HEADER, PARTS)
HEAD = 60
STARTS = [HEAD + sum(8 + len(part) for part in PARTS[:n]) for n in range(5)]


def forged(at: int, data: bytes) -> bytes:
    """A file with other bytes in its header, and the CRC that goes with them."""
    head = bytearray(FILE[: HEAD - 4])
    head[at : at + len(data)] = data
    return bytes(head) + struct.pack("<I", zlib.crc32(head)) + FILE[HEAD:]


def with_size(part: int, size: int) -> bytes:
    """A file with another size of a part."""
    at = STARTS[part]
    return FILE[:at] + struct.pack("<I", size) + FILE[at + 4 :]


def test_the_bytes_are_those_of_the_page() -> None:
    assert HEADER.shape == (7, 5, 3)
    assert HEADER.parts == 4
    assert FILE[:4] == b"\x89TCZ"
    assert list(FILE[4:8]) == [2, 1, 1, 8]
    assert struct.unpack_from("<HbbIIHH", FILE, 8) == (3, -127, 127, 37, 50, 640, 2)
    assert FILE[24:56] == b"cae-low-int8\0\0\0\0\1\2\3\4\5\6\7\x08contexts"
    assert struct.unpack_from("<I", FILE, 56) == (zlib.crc32(FILE[:56]),)
    at = 60
    for part in PARTS:
        assert struct.unpack_from("<2I", FILE, at) == (len(part), zlib.crc32(part))
        assert FILE[at + 8 : at + 8 + len(part)] == part
        at += 8 + len(part)
    assert at == len(FILE)


@settings(deadline=None)
@given(
    width=st.integers(1, 65535),
    height=st.integers(1, 4000),
    channels=st.integers(1, 64),
    place=st.integers(0, 65535),
    rows=st.integers(1, 65535),
    part=st.binary(min_size=1, max_size=64),
)
def test_files_are_read_as_written(
    width: int, height: int, channels: int, place: int, rows: int, part: bytes
) -> None:
    header = dataclasses.replace(
        HEADER, width=width, height=height, channels=channels, place=place, rows_per_part=rows
    )
    parts = (part,) * header.parts
    data = container2.assemble(header, parts)
    assert container2.unpack(data, max_pixels=2**32) == File(header, parts, "")
    assert versions.read(io.BytesIO(data), 2**32) == data
    assert header.rows(header.parts) == -(-height // 8)
    assert header.pixel_rows(header.parts) == height


def test_every_truncation_is_an_error_or_gives_the_parts_before_it() -> None:
    for size in range(len(FILE)):
        there = sum(end <= size for end in STARTS[1:])
        data = FILE[:size]
        with pytest.raises(UserError) as caught:
            container2.unpack(data)
        if there == 0:
            with pytest.raises(UserError, match=r"truncated within|no part|empty|not a \.tcz"):
                container2.unpack(data, salvage=True)
            continue
        assert f"decodes the {16 * there} rows before it" in str(caught.value)
        file = container2.unpack(data, salvage=True)
        assert (file.parts, file.rows, file.pixel_rows) == (PARTS[:there], 2 * there, 16 * there)
        assert file.note.endswith(f"{16 * there} of 50 rows are intact, the others gray")
        states = [part.state for part in container2.inspect(data).parts]
        assert states == [State.INTACT] * there + [State.TRUNCATED] * (4 - there)
        assert versions.read(io.BytesIO(data)) == data


@pytest.mark.parametrize("change", [1, 0x80, 0xFF])
def test_every_changed_byte_is_detected(change: int) -> None:
    for at in range(len(FILE)):
        damaged = bytearray(FILE)
        damaged[at] ^= change
        data = bytes(damaged)
        with pytest.raises(UserError):
            container2.unpack(data)
        there = sum(end <= at for end in STARTS[1:])
        if there == 0:
            with pytest.raises(UserError):
                container2.unpack(data, salvage=True)
        else:
            assert container2.unpack(data, salvage=True).parts == PARTS[:there]


def test_damage_is_told_from_truncation() -> None:
    damaged = bytearray(FILE)
    damaged[STARTS[2] + 8] ^= 1
    with pytest.raises(UserError, match=r"part 3 of 4 is damaged; .* the 32 rows before it"):
        container2.unpack(bytes(damaged))
    states = [part.state for part in container2.inspect(bytes(damaged)).parts]
    assert states == [State.INTACT, State.INTACT, State.DAMAGED, State.INTACT]
    assert "part 3 of 4 is damaged" in container2.unpack(bytes(damaged), salvage=True).note
    with pytest.raises(UserError, match="truncated after part 2 of 4"):
        container2.unpack(FILE[: STARTS[2]])
    with pytest.raises(UserError, match="truncated within part 3 of 4"):
        container2.unpack(FILE[: STARTS[2] + 9])


@pytest.mark.parametrize("size", [0, 356 * 2 * 5 * 3 + 9, 2**32 - 1])
def test_sizes_that_no_encoder_writes_end_the_file(size: int) -> None:
    data = with_size(1, size)
    file = container2.unpack(data, salvage=True)
    assert (file.parts, file.note[:24]) == (PARTS[:1], "part 2 of 4 is damaged; ")
    contents = container2.inspect(data)
    assert [part.size for part in contents.parts] == [10, size, None, None]
    assert [part.state for part in contents.parts[1:]] == [State.DAMAGED] * 3
    assert versions.read(io.BytesIO(data)) == data[: STARTS[1] + 8]


def test_surplus_bytes_are_an_error_that_salvage_ignores() -> None:
    with pytest.raises(UserError, match=r"surplus bytes after its last part; .* ignores them"):
        container2.unpack(FILE + b"\0")
    file = container2.unpack(FILE + b"\0", salvage=True)
    assert (file.parts, file.rows) == (PARTS, 7)
    assert file.note == "the file has surplus bytes after its last part; its parts are intact"
    assert versions.read(io.BytesIO(FILE + b"surplus")) == FILE + b"s"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty; a .tcz file is needed"),
        (b"\x89PNG\r\n", "not a .tcz file"),
        (b"\x89TCZ\1", "has version 1, not 2"),
        (FILE[:59], "truncated within its header"),
        (FILE[:56] + b"1234" + FILE[60:], "header of this .tcz file is damaged"),
        (forged(5, b"\0"), "of codec kind 0; use a newer decoder"),
        (forged(5, b"\2"), "of codec kind 2; use a newer decoder"),
        (forged(6, b"\2"), "values that version 2 does not define"),
        (forged(7, b"\4"), "8 pixels per symbol, not 4"),
        (forged(8, b"\0\0"), "1 to 64 channels, not 0"),
        (forged(8, b"\x41\0"), "1 to 64 channels, not 65"),
        (forged(10, b"\x80"), "-127 to 127 and include 0, not -128 to 127"),
        (forged(10, b"\1"), "include 0, not 1 to 127"),
        (forged(11, b"\xff"), "include 0, not -127 to -1"),
        (forged(12, b"\0\0\0\0"), "1 to 65535 pixels in width, not 0"),
        (forged(16, b"\0\0\1\0"), "1 to 65535 pixels in height, not 65536"),
        (forged(12, struct.pack("<2I", 65535, 65535)), "65535x65535 pixels; the limit is"),
        (forged(22, b"\0\0"), "1 to 65535 rows per part, not 0"),
        (forged(24, b"\0" * 16), "1 to 16 printable"),
        (forged(24, b"a\0b"), "1 to 16 printable"),
        (FILE[: HEAD + 3], "no part of this .tcz file is intact"),
    ],
)
def test_other_files_are_refused_in_one_sentence(data: bytes, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        container2.unpack(data, salvage=True)
    assert "\n" not in str(caught.value)


def test_the_pixel_limit_can_be_changed() -> None:
    with pytest.raises(UserError, match="37x50 pixels; the limit is 1849"):
        container2.unpack(FILE, max_pixels=1849)
    assert container2.unpack(FILE, max_pixels=1850).header == HEADER


@settings(deadline=None)
@given(data=st.binary(max_size=60), at=st.integers(0, HEAD - 5), salvage=st.booleans())
def test_forged_headers_give_a_file_or_a_sentence(data: bytes, at: int, salvage: bool) -> None:
    file = forged(at, data[: HEAD - 4 - at])
    try:
        read = versions.read(io.BytesIO(file), 10_000)
        assert versions.version_of(read) == 2
        unpacked = container2.unpack(read, salvage, 10_000)
    except UserError:
        return
    assert unpacked == container2.unpack(file, salvage, 10_000)
    assert unpacked.rows <= unpacked.header.shape[0]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"model_id": "x" * 17}, "printable"),
        ({"model_hash": b"1234567"}, "8 bytes, not 7"),
        ({"context_hash": b"123456789"}, "8 bytes, not 9"),
        ({"width": 65536}, "pixels in width"),
        ({"height": 0}, "pixels in height"),
        ({"channels": 65}, "1 to 64 channels"),
        ({"place": 65536}, "place of 0 to 65535"),
        ({"place": -1}, "place of 0 to 65535"),
        ({"rows_per_part": 65536}, "rows per part"),
        ({"step": 16}, "8 pixels per symbol"),
        ({"height": 65}, "has 5 parts, not 4"),
    ],
)
def test_headers_that_cannot_be_written(changed: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        container2.assemble(dataclasses.replace(HEADER, **changed), PARTS)  # type: ignore[arg-type]


def test_symbols_outside_the_alphabet_are_refused() -> None:
    header = dataclasses.replace(HEADER, smallest=-2, largest=3)
    container2.check_symbols(np.array([[[-2, 3]]], np.int8), header)
    for symbol in (-3, 4):
        with pytest.raises(UserError, match=r"its header allows -2 to 3; fetch the file again"):
            container2.check_symbols(np.array([[[symbol, 0]]], np.int8), header)


@pytest.mark.parametrize(("data", "version"), [(FILE, 2), (b"\x89TCZ\1", 1), (b"\x89TCZ\2", 2)])
def test_versions_are_told_apart(data: bytes, version: int) -> None:
    assert versions.version_of(data) == version


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        (b"\x89TC", "not a .tcz file"),
        (b"\x89TCZ", "truncated within its header"),
        (b"\x89TCZ\3", "has version 3, and this decoder reads versions 1 and 2"),
    ],
)
def test_unknown_versions_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(UserError, match=words):
        versions.read(io.BytesIO(data))
