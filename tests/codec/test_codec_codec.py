"""Compressing and decompressing images: sizes, planes, quantizers, damage, other networks."""

import functools
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sr.codec import codec, container, opening
from edge_sr.codec import planes as bit_planes
from edge_sr.codec.network import Network
from edge_sr.codec.quantizer import Kind
from edge_sr.errors import UserError

FOLDER = Path(__file__).parent.parent / "golden"
PHOTOGRAPH = skimage.data.astronaut()


@functools.cache
def opened(rate: int, int8: bool) -> Network:
    return opening.find(None, int8, str(FOLDER / f"tinycompress-{rate}"))


PIXELS = PHOTOGRAPH[100:119, 200:226]
INT8 = opened(16, True)
FILE = codec.compress(PIXELS, INT8)
HEAD = 44 + 8 * 3 + 8 * 8 + 4


def forged(at: int, data: bytes, file: bytes = FILE) -> bytes:
    """Return a file with other bytes in its header and a matching CRC."""
    head = bytearray(file[: HEAD - 4])
    head[at : at + len(data)] = data
    return bytes(head) + struct.pack("<I", zlib.crc32(head)) + file[HEAD:]


@settings(deadline=None, max_examples=60)
@given(
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    rate=st.sampled_from([4, 16]),
    int8=st.booleans(),
    gray=st.booleans(),
    planes=st.integers(1, 8),
    kind=st.sampled_from(Kind),
    noisy=st.booleans(),
    seed=st.integers(0, 99),
)
def test_files_decode_as_by_hand(
    size: tuple[int, int],
    rate: int,
    int8: bool,
    gray: bool,
    planes: int,
    kind: Kind,
    noisy: bool,
    seed: int,
) -> None:
    rng, coding = np.random.default_rng(seed), opened(rate, int8)
    top, left = rng.integers(0, 400, 2)
    pixels = PHOTOGRAPH[top : top + size[0], left : left + size[1]]
    if noisy:
        pixels = rng.integers(0, 256, pixels.shape, np.uint8)
    pixels = pixels[..., 0] if gray else pixels
    kind = Kind.CLIPPING if int8 else kind
    data = codec.compress(pixels, coding, planes, kind)
    decoded = codec.decompress(data, coding)
    assert decoded.pixels.shape == pixels.shape
    rgb = np.stack([pixels] * 3, -1) if gray else pixels
    samples, quantizer = coding.encode(rgb, kind)
    kept = bit_planes.restore(bit_planes.drop(samples, planes), planes)
    expected = coding.decode(quantizer.restore(kept), *size)
    if gray:
        expected = np.rint(expected.astype(np.float64).mean(2))
    assert np.array_equal(decoded.pixels, expected)
    assert (decoded.file.header.quantizer, decoded.note) == (quantizer, "")
    assert data == codec.compress(pixels, coding, planes, kind)


@given(planes=st.integers(1, 8))
def test_decoding_fewer_planes_equals_a_smaller_file(planes: int) -> None:
    whole = codec.decompress(FILE, INT8, planes).pixels
    fewer = codec.decompress(codec.compress(PIXELS, INT8, planes), INT8).pixels
    assert np.array_equal(whole, fewer)


@pytest.mark.parametrize("planes", [0, 9, -1])
def test_impossible_numbers_of_planes_are_refused(planes: int) -> None:
    with pytest.raises(UserError, match="available: 8"):
        codec.decompress(FILE, INT8, planes)
    with pytest.raises(UserError, match=f"{planes} bit planes cannot be kept"):
        codec.compress(PIXELS, INT8, planes)
    with pytest.raises(UserError, match="5 bit planes cannot be decoded; available: 4"):
        codec.decompress(codec.compress(PIXELS, INT8, 4), INT8, 5)


def test_a_size_limit_keeps_as_many_planes_as_fit() -> None:
    sizes = [len(codec.compress(PIXELS, INT8, planes)) for planes in range(1, 9)]
    count = PIXELS.shape[0] * PIXELS.shape[1]
    for planes, size in enumerate(sizes, 1):
        data = codec.compress_within(PIXELS, INT8, 8 * size / count)
        assert data == codec.compress(PIXELS, INT8, planes)
    with pytest.raises(UserError, match=r"one bit plane alone needs .* the limit is 0.1"):
        codec.compress_within(PIXELS, INT8, 0.1)


def test_every_truncation_gives_the_intact_planes() -> None:
    sizes = [plane.size for plane in container.inspect(FILE).planes]
    ends = HEAD + np.cumsum(sizes)
    images = [codec.decompress(FILE, INT8, planes).pixels for planes in range(1, 9)]
    for size in range(len(FILE)):
        there = int((ends <= size).sum())
        if there == 0:
            with pytest.raises(UserError):
                codec.decompress(FILE[:size], INT8)
            continue
        decoded = codec.decompress(FILE[:size], INT8)
        assert np.array_equal(decoded.pixels, images[there - 1])
        place = f"after plane {there}" if size in ends else f"within plane {there + 1}"
        assert f"the file is truncated {place} of 8" in decoded.note


def test_every_flipped_byte_is_refused_or_salvaged() -> None:
    sizes = [plane.size for plane in container.inspect(FILE).planes]
    ends = HEAD + np.cumsum(sizes)
    images = [codec.decompress(FILE, INT8, planes).pixels for planes in range(1, 9)]
    for at in range(len(FILE)):
        damaged = bytearray(FILE)
        damaged[at] ^= 0xFF
        with pytest.raises(UserError):
            codec.decompress(bytes(damaged), INT8)
        intact = int((ends <= at).sum())
        if at >= HEAD and intact > 0:
            salvaged = codec.decompress(bytes(damaged), INT8, salvage=True)
            assert np.array_equal(salvaged.pixels, images[intact - 1])
            assert f"plane {intact + 1} of 8 is damaged" in salvaged.note
        else:
            with pytest.raises(UserError):
                codec.decompress(bytes(damaged), INT8, salvage=True)


def test_the_network_is_found_by_its_header(stand_ins: Path) -> None:
    expected = codec.decompress(FILE, INT8).pixels
    assert np.array_equal(codec.decompress(FILE).pixels, expected)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (forged(20, b"my-net\0\0\0\0\0\0\0\0\0\0" + b"\0" * 8), "network 'my-net', which is not"),
        (forged(36, b"\1" * 8), "tc-16-int8 with decoder 0101010101010101, and tc-16-int8 here"),
        (forged(10, b"\4\0"), "claims rate 4 and 3 channels, and its network tc-16-int8"),
        (
            forged(12, struct.pack("<2I", 60000, 60000)),
            "60000x60000 pixels; the limit is 100000000",
        ),
    ],
    ids=["unknown id", "another hash", "another rate", "gigapixels"],
)
def test_files_of_other_networks_are_refused(stand_ins: Path, data: bytes, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        codec.decompress(data)
    assert "\n" not in str(caught.value)


def test_a_file_is_not_decoded_by_another_network() -> None:
    with pytest.raises(UserError, match=r"tc-16-int8 with decoder .*, and tc-16 here has"):
        codec.decompress(FILE, opened(16, False))


def test_impossible_ranges_are_refused() -> None:
    most = float(np.finfo(np.float32).max)
    file = codec.compress(PIXELS, opened(16, False))
    wide = forged(44, struct.pack("<6f", *(-most, most) * 3), file)
    with pytest.raises(UserError, match="not those of an image"):
        codec.decompress(wide, opened(16, False))
    wide = forged(44, struct.pack("<6f", *(-most, most) * 3))
    assert codec.decompress(wide, INT8).pixels.shape == PIXELS.shape


def test_an_image_too_large_for_a_file_is_refused() -> None:
    with pytest.raises(UserError, match=r"65536x1; .tcz files hold at most 65535"):
        codec.compress(np.zeros((1, 65536), np.uint8), INT8)
