"""Files as they are written, cut, damaged and forged."""

import dataclasses
import math
import struct
import zlib

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from latents import smooth

from edge_sr.codec import container
from edge_sr.codec import planes as bit_planes
from edge_sr.codec.container import File
from edge_sr.codec.header import Colour, Header
from edge_sr.codec.quantizer import Kind, Quantizer, clipping, normalizing
from edge_sr.errors import UserError

QUANTIZER = Quantizer(Kind.NORMALIZATION, (-0.5, 0.0, 1.0), (0.5, 2.0, 1.0))
HEADER = Header("tinycompress", b"\1\2\3\4\5\6\7\x08", 16, 37, 22, Colour.RGB, QUANTIZER)
SAMPLES = smooth(HEADER.shape, 2)
FILE = container.pack(HEADER, SAMPLES, 8)
HEAD = 44 + 8 * 3 + 8 * 8 + 4


def forged(at: int, data: bytes, file: bytes = FILE) -> bytes:
    """A file with other bytes in its header, and the CRC that goes with them."""
    head = bytearray(file[: HEAD - 4])
    head[at : at + len(data)] = data
    return bytes(head) + struct.pack("<I", zlib.crc32(head)) + file[HEAD:]


def signed(channels: int = 3, planes: int = 8) -> bytes:
    """A header that is as long as its counts say, with the CRC that goes with it."""
    head = FILE[:6] + bytes([channels, planes]) + FILE[8:44] + bytes(8 * channels + 8 * planes)
    return head + struct.pack("<I", zlib.crc32(head))


def test_the_header_is_that_of_the_page() -> None:
    assert FILE[:4] == b"\x89TCZ"
    assert list(FILE[4:10]) == [1, 1, 3, 8, 1, 0]
    assert struct.unpack_from("<HII", FILE, 10) == (16, 37, 22)
    assert FILE[20:44] == b"tinycompress\0\0\0\0\1\2\3\4\5\6\7\x08"
    assert struct.unpack_from("<6f", FILE, 44) == (-0.5, 0.5, 0, 2, 1, 1)
    table = list(struct.iter_unpack("<2I", FILE[68:132]))
    assert struct.unpack_from("<I", FILE, 132) == (zlib.crc32(FILE[:132]),)
    segments, start = [], 136
    for size, crc in table:
        segments.append(FILE[start : start + size])
        assert crc == zlib.crc32(segments[-1])
        start += size
    assert start == len(FILE)
    assert np.array_equal(reference.decode(segments, (3, 6, 10)), SAMPLES)


@given(planes=st.integers(1, 8))
def test_files_are_read_as_written(planes: int) -> None:
    file = container.unpack(container.pack(HEADER, SAMPLES, planes))
    assert (file.header, file.planes, file.note) == (HEADER, planes, "")
    kept = bit_planes.restore(bit_planes.drop(SAMPLES, planes), planes)
    assert np.array_equal(file.latents(), QUANTIZER.restore(kept))


def test_every_truncation_decodes_to_the_intact_planes() -> None:
    whole = container.unpack(FILE)
    ends = [HEAD + sum(map(len, whole.segments[:n])) for n in range(9)]
    for size in range(len(FILE)):
        there = sum(end <= size for end in ends[1:])
        if there == 0:
            with pytest.raises(UserError):
                container.unpack(FILE[:size])
            continue
        cut = container.unpack(FILE[:size])
        assert cut.segments == whole.segments[:there]
        place = f"after plane {there}" if size in ends else f"within plane {there + 1}"
        assert cut.note.startswith(f"the file is truncated {place} of 8; ")
        kept = bit_planes.restore(bit_planes.drop(SAMPLES, there), there)
        assert size not in ends or np.array_equal(cut.latents(), QUANTIZER.restore(kept))


def test_every_flipped_bit_is_detected() -> None:
    for at in range(len(FILE)):
        damaged = bytearray(FILE)
        damaged[at] ^= 1 << at % 8
        with pytest.raises(UserError):
            container.unpack(bytes(damaged))


def test_salvage_keeps_the_planes_before_the_damage() -> None:
    whole = container.unpack(FILE)
    damaged = bytearray(FILE)
    damaged[HEAD + sum(map(len, whole.segments[:3]))] ^= 1
    with pytest.raises(
        UserError, match="damaged; `edge-sr decompress --salvage` decodes the 3 before it"
    ):
        container.unpack(bytes(damaged))
    file = container.unpack(bytes(damaged), salvage=True)
    assert file.segments == whole.segments[:3]
    assert "plane 4 of 8 is damaged" in file.note


def test_damage_after_the_decoded_planes_is_noted() -> None:
    whole = container.unpack(FILE)
    damaged = bytearray(FILE)
    damaged[HEAD + sum(map(len, whole.segments[:4]))] ^= 1
    for planes in (1, 4):
        file = container.unpack(bytes(damaged), planes=planes)
        assert file.segments == whole.segments[:4]
        assert file.note == "plane 5 of 8 is damaged; those before it are intact"
    for planes in (5, 8):
        with pytest.raises(UserError, match="plane 5 of 8 is damaged"):
            container.unpack(bytes(damaged), planes=planes)


def test_salvage_keeps_every_plane_before_surplus_bytes() -> None:
    file = container.unpack(FILE + b"\0", salvage=True)
    assert file.segments == container.unpack(FILE).segments
    assert file.note == "the file has surplus bytes after its last plane; its planes are intact"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty; a .tcz file is needed"),
        (b"\x89PNG\r\n", "not a .tcz file"),
        (forged(4, b"\2"), "has version 2, and this decoder reads only version 1"),
        (b"\x89TCZ\2", "has version 2"),
        (FILE[:20], "truncated within its header"),
        (FILE[:100], "truncated within its header"),
        (forged(5, b"\2"), "values that version 1 does not define"),
        (forged(8, b"\2"), "values that version 1 does not define"),
        (forged(9, b"\1"), "values that version 1 does not define"),
        (forged(6, b"\0"), "header of this .tcz file is damaged"),
        (FILE[:6] + b"\5" + FILE[7:], "header of this .tcz file is damaged"),
        (FILE[:7] + b"\0" + FILE[8:], "header of this .tcz file is damaged"),
        (FILE[:7] + b"\x09" + FILE[8:], "header of this .tcz file is damaged"),
        (FILE[:7] + b"\xff" + FILE[8:100], "header of this .tcz file is damaged"),
        (signed(channels=0), "1 to 4 channels, not 0"),
        (signed(channels=5), "1 to 4 channels, not 5"),
        (signed(planes=0), "1 to 8 planes, not 0"),
        (signed(planes=9), "1 to 8 planes, not 9"),
        (forged(10, b"\5\0"), "unknown rate 5"),
        (forged(12, b"\0\0\0\0"), "1 to 65535 pixels in width, not 0"),
        (forged(16, b"\0\0\1\0"), "1 to 65535 pixels in height, not 65536"),
        (
            forged(12, struct.pack("<2I", 65535, 65535)),
            "65535x65535 pixels; the limit is 100000000",
        ),
        (forged(20, b"\0" * 16), "1 to 16 printable"),
        (forged(20, b"a\0b"), "1 to 16 printable"),
        (forged(20, b"\xff"), "1 to 16 printable"),
        (forged(44, struct.pack("<f", math.nan)), "ranges from nan"),
        (forged(48, struct.pack("<f", math.inf)), "ranges from -0.5 to inf"),
        (forged(44, struct.pack("<f", 0.75)), "ranges from 0.75 to 0.5"),
        (forged(68, b"\0\0\0\0"), "plane 1 of this .tcz file claims 0 bytes"),
        (forged(68, b"\xff\xff\xff\xff"), "claims 4294967295 bytes; it has 1 to 278"),
        (FILE[: HEAD + 3], "no bit plane of this .tcz file is intact"),
        (FILE + b"\0", "surplus bytes"),
    ],
)
def test_other_files_are_refused_in_one_sentence(data: bytes, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        container.unpack(data)
    assert "\n" not in str(caught.value)


def test_the_pixel_limit_can_be_changed() -> None:
    with pytest.raises(UserError, match="37x22 pixels; the limit is 813"):
        container.unpack(FILE, max_pixels=813)
    assert container.unpack(FILE, max_pixels=814).header == HEADER


@settings(deadline=None)
@given(data=st.binary(max_size=60), at=st.integers(0, HEAD - 5), salvage=st.booleans())
def test_forged_headers_give_a_file_or_a_sentence(data: bytes, at: int, salvage: bool) -> None:
    try:
        file = container.unpack(forged(at, data[: HEAD - 4 - at]), salvage, 10_000)
    except UserError:
        return
    assert isinstance(file, File)
    assert file.latents().shape == file.header.shape


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"model_id": ""}, "printable"),
        ({"model_id": "x" * 17}, "printable"),
        ({"model_hash": b"1234567"}, "8 bytes, not 7"),
        ({"rate": 8}, "unknown rate 8"),
        ({"width": 65536}, "pixels in width"),
        ({"width": 60}, "this image needs"),
        ({"quantizer": clipping(5)}, "channels, not 5"),
    ],
)
def test_headers_that_cannot_be_written(changed: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        container.pack(dataclasses.replace(HEADER, **changed), SAMPLES, 8)  # type: ignore[arg-type]


@pytest.mark.parametrize("planes", [0, 9, -1])
def test_planes_that_there_are_not(planes: int) -> None:
    with pytest.raises(UserError, match=f"{planes} bit planes cannot be kept"):
        container.pack(HEADER, SAMPLES, planes)


@given(planes=st.integers(1, 8))
def test_no_sample_is_wrong_by_more_than_half_of_what_was_dropped(planes: int) -> None:
    samples = np.arange(256, dtype=np.uint8)
    back = bit_planes.restore(bit_planes.drop(samples, planes), planes)
    wrong = np.abs(back.astype(int) - samples).max()
    assert wrong == (1 << (8 - planes)) // 2


def test_normalizing_is_right_to_half_a_step_and_clipping_within_its_range() -> None:
    latents = np.random.default_rng(4).normal(0.5, 2, (3, 9, 11)).astype(np.float32)
    quantizer = normalizing(latents)
    steps = (latents.max((1, 2)) - latents.min((1, 2)))[:, None, None] / 255
    wrong = np.abs(quantizer.restore(quantizer.quantize(latents)) - latents)
    assert (wrong <= 0.5001 * steps).all()
    quantizer = clipping(3)
    clipped = quantizer.restore(quantizer.quantize(latents))
    assert np.abs(clipped - np.clip(latents, 0, 1)).max() <= 0.5001 / 255


def test_a_channel_of_one_value_comes_back() -> None:
    latents = np.full((1, 2, 2), -3.25, np.float32)
    quantizer = normalizing(latents)
    assert np.array_equal(quantizer.restore(quantizer.quantize(latents)), latents)


def test_latents_that_are_not_finite_are_refused() -> None:
    with pytest.raises(UserError, match="not finite"):
        normalizing(np.array([[[np.nan]]]))
