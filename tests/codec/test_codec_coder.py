"""The entropy coder against a reference written from docs/reference/tcz.md."""

import zlib

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from latents import smooth

from edge_sr.codec import planes as bit_planes
from edge_sr.engine import coder
from edge_sr.engine.binding import load
from edge_sr.errors import UserError

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 12), st.integers(1, 12))
SAMPLES = st.one_of(
    SHAPES.flatmap(lambda shape: arrays(np.uint8, shape)),
    st.builds(smooth, SHAPES, st.integers(0, 2**32 - 1)),
)
PLANES = st.integers(1, 8)


@settings(deadline=None)
@given(samples=SAMPLES, planes=PLANES)
def test_decoding_returns_the_encoded_samples(samples: np.ndarray, planes: int) -> None:
    segments = coder.encode(samples, planes)
    assert all(1 <= len(data) <= coder.max_bytes(samples.shape) for data in segments)
    for kept in range(planes + 1):
        expected = bit_planes.drop(samples, kept) if kept else np.zeros_like(samples)
        assert np.array_equal(coder.decode(segments[:kept], samples.shape), expected)


@settings(deadline=None, max_examples=40)
@given(samples=SAMPLES, planes=PLANES)
def test_the_reference_agrees(samples: np.ndarray, planes: int) -> None:
    segments = coder.encode(samples, planes)
    assert segments == reference.encode(samples, planes)
    assert np.array_equal(
        reference.decode(segments, samples.shape), bit_planes.drop(samples, planes)
    )


@pytest.mark.parametrize("kind", ["smooth", "noise", "black", "stripes"])
def test_the_reference_agrees_on_rows_of_several_blocks(kind: str) -> None:
    shape = (3, 9, 150)
    noise = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    samples = {
        "smooth": smooth(shape, 5),
        "noise": noise,
        "black": np.zeros(shape, np.uint8),
        "stripes": np.broadcast_to(np.arange(150) % 2 * 255, shape).astype(np.uint8),
    }[kind]
    assert coder.encode(samples) == reference.encode(samples, 8)


@settings(deadline=None)
@given(shape=SHAPES, segments=st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes_decode_as_in_the_reference(
    shape: tuple[int, int, int], segments: list[bytes]
) -> None:
    assert np.array_equal(coder.decode(segments, shape), reference.decode(segments, shape))


def test_carries_reach_bytes_that_were_written() -> None:
    """The reference needs no carries; runs of 0xFF before a carry are common here."""
    shape = (1, 60, 60)
    for seed in range(20):
        samples = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
        assert coder.encode(samples, 1) == reference.encode(samples, 1)


def test_noise_costs_at_most_two_percent_more_than_its_size() -> None:
    samples = np.random.default_rng(0).integers(0, 256, (3, 100, 100), np.uint8)
    assert samples.size <= sum(map(len, coder.encode(samples))) < 1.02 * samples.size


@pytest.mark.parametrize("shape", [(5, 4, 4), (0, 4, 4), (1, 0, 4), (1, 4, 70000), (4, 4)])
def test_impossible_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="samples"):
        coder.encode(np.zeros(shape, np.uint8))


def test_more_than_eight_planes_are_refused() -> None:
    with pytest.raises(UserError, match="at most 8 planes"):
        coder.decode([b""] * 9, (1, 2, 2))


@given(data=st.binary(max_size=200), cut=st.integers(0, 200))
def test_crc_equals_that_of_zlib(data: bytes, cut: int) -> None:
    crc = coder.crc32(data[cut:], coder.crc32(data[:cut]))
    assert crc == zlib.crc32(data)


def test_state_fits_a_microcontroller() -> None:
    assert load().esr_coder_bytes() <= 3072
