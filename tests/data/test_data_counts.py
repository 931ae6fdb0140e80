"""The mapping of 16-bit counts to 8 bits, against NumPy's partition and plain arithmetic."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sr.data.counts import Span, span_of


def counts(size: int, low: int, high: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high + 1, size, np.uint16)


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 5000),
    low=st.integers(0, 65534),
    width=st.integers(0, 3000),
    seed=st.integers(0, 99),
)
def test_a_thousandth_at_each_end_is_ignored(size: int, low: int, width: int, seed: int) -> None:
    samples = counts(size, low, min(low + width, 65535), seed)
    ordered, left_out = np.sort(samples), size // 1000
    span = span_of(samples)
    due = (int(ordered[left_out]), int(ordered[size - 1 - left_out]))
    if due[0] < due[1]:
        assert (span.low, span.high) == due
    else:
        assert span.high - span.low == 1
        assert due[0] in (span.low, span.high)


def test_dead_and_hot_pixels_do_not_widen_the_span() -> None:
    samples = counts(100 * 100, 7000, 9000, 0)
    samples[:5], samples[5:10] = 0, 65535
    span = span_of(samples)
    assert 7000 <= span.low < span.high <= 9000


@settings(max_examples=40, deadline=None)
@given(low=st.integers(0, 65534), width=st.integers(1, 65535), seed=st.integers(0, 99))
def test_counts_become_pixels_and_differences_counts(low: int, width: int, seed: int) -> None:
    span = Span(low, min(low + width, 65535))
    samples, step = counts(300, 0, 65535, seed), (span.high - span.low) / 255
    exact = np.clip((samples.astype(float) - span.low) / step, 0, 255)
    pixels = span.narrow(samples)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels - exact).max() <= 0.5 + 1e-9
    detail = np.random.default_rng(seed).integers(-255, 256, 300).astype(np.int16)
    added = span.add(samples, detail)
    assert added.dtype == np.uint16
    assert np.abs(added - np.clip(samples + detail * step, 0, 65535)).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("level", [0, 1, 40_000, 65_535])
def test_a_flat_image_has_a_span(level: int) -> None:
    span = span_of(np.full((9, 9), level, np.uint16))
    assert 0 <= span.low < span.high <= 65535
    assert np.ptp(span.narrow(np.full((9, 9), level, np.uint16))) == 0
