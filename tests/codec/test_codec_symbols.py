"""The symbol coder and its context model, against the float network that training uses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from context_reference import random_master, sample, symbol_bits
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge_sr.codec import context
from edge_sr.engine import symbols
from edge_sr.errors import UserError

MASTERS = {channels: random_master(channels, channels) for channels in (1, 3, 16, 24)}
SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 7), st.sampled_from(sorted(MASTERS)))
SYMBOLS = SHAPES.flatmap(
    lambda shape: st.one_of(
        arrays(np.int8, shape, elements=st.integers(-127, 127)),
        arrays(np.int8, shape, elements=st.integers(-1, 1)),
    )
)


@settings(deadline=None, max_examples=15)
@given(values=SYMBOLS, place=st.floats(0, 2), rows=st.integers(1, 7))
def test_decoding_returns_the_encoded_symbols(values: np.ndarray, place: float, rows: int) -> None:
    blob = context.fold(MASTERS[values.shape[2]], place)
    parts = symbols.encode(values, blob, rows)
    assert len(parts) == -(-len(values) // rows)
    for kept in range(len(parts) + 1):
        decoded = symbols.decode(parts[:kept], values.shape, blob, rows)
        assert np.array_equal(decoded, values[: kept * rows])


@pytest.mark.parametrize("place", [0.0, 1.25, 2.0])
def test_the_size_is_what_the_float_network_expects(place: float) -> None:
    master = random_master(16, 5)
    values = sample(master, place, (24, 24, 16))
    bits = symbol_bits(master, values, place).sum()
    coded = 8 * sum(map(len, symbols.encode(values, context.fold(master, place), 24)))
    assert values.std() > 0.5
    assert coded == pytest.approx(bits, rel=0.03)


def test_the_network_pays() -> None:
    """With weights of another network, the same symbols take more bytes."""
    values = sample(random_master(16, 5), 1.0, (24, 24, 16))
    sizes = [
        len(symbols.encode(values, context.fold(random_master(16, seed), 1.0), 24)[0])
        for seed in (5, 6)
    ]
    assert sizes[0] < 0.96 * sizes[1]


@settings(deadline=None, max_examples=15)
@given(shape=SHAPES, parts=st.lists(st.binary(max_size=60), max_size=6), rows=st.integers(1, 4))
def test_any_bytes_decode(shape: tuple[int, int, int], parts: list[bytes], rows: int) -> None:
    blob = context.fold(MASTERS[shape[2]], 1.0)
    kept = parts[: -(-shape[0] // rows)]
    decoded = symbols.decode(kept, shape, blob, rows)
    assert decoded.shape == (min(shape[0], rows * len(kept)), *shape[1:])
    assert decoded.size == 0 or decoded.min() >= -127


def test_the_largest_symbols_are_coded_within_the_limit() -> None:
    blob = context.fold(MASTERS[3], 0.0)
    values = np.where(np.random.default_rng(0).random((9, 9, 3)) < 0.5, -128, 127).astype(np.int8)
    parts = symbols.encode(values, blob, 9)
    assert len(parts[0]) <= symbols.max_part_bytes(values.shape)
    assert np.array_equal(symbols.decode(parts, values.shape, blob, 9), np.maximum(values, -127))


@pytest.mark.parametrize("place", [0.0, 0.75, 2.0])
def test_gains_are_those_of_exp2(place: float) -> None:
    master = MASTERS[24]
    low, share = int(place), place - int(place)
    log_gains = master.log_gains.astype(np.float64)
    log_gain = log_gains[low] + share * (log_gains[min(low + 1, 2)] - log_gains[low])
    ratio = np.exp2(log_gain - log_gains[2])
    np.testing.assert_allclose(context.gain_ratios(master, place), ratio, rtol=1e-14)
    np.testing.assert_allclose(context.steps(master, place), 1 / ratio, rtol=1e-14)


def test_a_model_is_read_as_it_was_written(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "context.safetensors"
    MASTERS[3].write(path)
    assert context.fold(context.Master.read(path), 0.5) == context.fold(MASTERS[3], 0.5)
    assert np.array_equal(safetensors.load_file(path)["kernel"], MASTERS[3].kernel)


@pytest.mark.parametrize("end", [0, 4, 8, 100, -1])
def test_a_cut_model_is_refused(tmp_path: Path, end: int) -> None:
    path = tmp_path / "context.safetensors"
    MASTERS[3].write(path)
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(UserError, match=r"damaged|not a context model"):
        context.Master.read(path)


def test_bad_models_are_refused() -> None:
    for bad in (
        {"hidden_ranges": np.zeros(32, np.float32)},
        {"kernel": MASTERS[3].kernel * np.float32(np.nan)},
        {"before": np.zeros((2, 2), np.float32)},
        {"steps": np.zeros((45, 4), np.uint16)},
    ):
        with pytest.raises(UserError):
            replace(MASTERS[3], **bad)
    for place in (-0.1, 2.01, float("nan")):
        with pytest.raises(UserError, match="0 to 2"):
            context.fold(MASTERS[3], place)


def test_bad_calls_are_refused() -> None:
    blob, values = context.fold(MASTERS[3], 0.0), np.zeros((2, 4, 3), np.int8)
    for bad in (
        blob[:-1],
        blob + b"\0",
        b"",
        b"ESY2" + blob[4:],
        blob[:8] + b"\1" + blob[9:],
        blob[:-2] + b"\0\0",
    ):
        with pytest.raises(UserError):
            symbols.encode(values, bad, 1)
    for shape, rows in (((2, 4, 4), 1), ((2, 70000, 3), 1), ((2, 0, 3), 1), ((2, 4, 3), 0)):
        with pytest.raises(UserError):
            symbols.decode([b""], shape, blob, rows)
    with pytest.raises(UserError, match="at most 2 parts"):
        symbols.decode([b""] * 3, (2, 4, 3), blob, 1)
