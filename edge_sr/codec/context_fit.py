"""Fits a context model to the symbols that an encoder really gives.

Training (`training.rate_model`) sees noise where symbols are rounded, and the float encoder. This
goes on from there with the symbols of the int8 encoder: Adam on the bits of logistic symbols, then
the ranges of the hidden units and the first probabilities of all decisions, by counting. The gains
stay, so that the encoder and the decoder do not change.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edge_sr.codec.context import (
    BINS,
    LARGEST_PROBABILITY,
    PLACES,
    REACH,
    SIDE,
    SIDES,
    SMALLEST_PROBABILITY,
    STEPS,
    Master,
)

MIN_SCALE, MAX_SCALE, LARGEST_RESIDUAL = 2.0**-5, 2.0**6, 8.0
"""As in training."""

RANGE_SHARE = 0.9995
"""Share of the positions at which a hidden unit stays below its range."""

PRIOR_COUNT = 40.0
"""How many decisions of the logistic distribution are added to those that were counted."""

_TRAINED = ("kernel", "bias", "out_kernel", "out_bias", "before", "before_spread")
_BETAS, _EPSILON = (0.9, 0.98), 1e-8


@dataclass(frozen=True)
class Sample:
    """Symbols of one image.

    Attributes:
        symbols: (h,w,C) int8.
        place: the quality at which they were made, 0 to Q - 1; may lie between two.
    """

    symbols: np.ndarray
    place: float


@dataclass(frozen=True)
class _Batch:
    """N positions: what the network sees (N,12C), their symbols (N,C), and N shares of Q gains."""

    seen: np.ndarray
    symbols: np.ndarray
    shares: np.ndarray


def fit(
    master: Master, samples: Sequence[Sample], iterations: int = 1500, rate: float = 1e-3
) -> Master:
    """Return the context model, fitted to symbols.

    Args:
        master: the model to start with.
        samples: symbols of training images, at several qualities.
        iterations: of Adam; the rate falls to 0 by a cosine.
        rate: the first rate of Adam.
    """
    parameters = _parameters(master)
    moments = {name: [np.zeros_like(p), np.zeros_like(p)] for name, p in parameters.items()}
    batches = _batches(samples, len(master.log_gains))
    for step in range(1, iterations + 1):
        _, slopes = _bits(parameters, master.log_gains, next(batches), train=True)
        now = rate * (1 + np.cos(np.pi * step / iterations)) / 2
        for name, slope in slopes.items():
            _adam(parameters[name], moments[name], slope, now, step)
    fitted = replace(master, **_arrays(parameters, master))
    return calibrated(fitted, samples)


def bits(master: Master, samples: Sequence[Sample]) -> np.ndarray:
    """Bits of each sample, if symbols were logistic."""
    parameters, count = _parameters(master), len(master.log_gains)
    return np.array(
        [_bits(parameters, master.log_gains, _whole(s, count))[0].sum() for s in samples]
    )


def calibrated(master: Master, samples: Sequence[Sample]) -> Master:
    """Return the model with ranges and first probabilities as these symbols have them."""
    parameters, gains = _parameters(master), master.log_gains
    hidden = []
    ones, all_ = np.zeros((2, 3, BINS, SIDES))
    for sample in samples:
        state = _state(parameters, gains, _whole(sample, len(gains)))
        hidden.append(state["hidden"])
        _count(state, ones, all_)
    ranges = np.quantile(np.concatenate(hidden), RANGE_SHARE, axis=0)
    counted = (ones[:2] + PRIOR_COUNT * (master.probabilities / 65536)) / (all_[:2] + PRIOR_COUNT)
    steps = (ones[2, :, :STEPS] + PRIOR_COUNT * (master.steps / 65536)) / (
        all_[2, :, :STEPS] + PRIOR_COUNT
    )
    tables = (np.rint(table * 65536) for table in (counted, steps))
    probabilities, last = (
        np.clip(table, SMALLEST_PROBABILITY, LARGEST_PROBABILITY).astype(np.uint16)
        for table in tables
    )
    return replace(
        master,
        hidden_ranges=np.maximum(ranges, 1e-3).astype(np.float32),
        probabilities=probabilities,
        steps=last,
    )


def _parameters(master: Master) -> dict[str, np.ndarray]:
    """The trained arrays as the loops here want them: the kernel as (12C,H), triangles masked."""
    kernel = master.kernel.reshape(SIDE * SIDE, -1)[:PLACES].reshape(-1, master.kernel.shape[-1])
    parameters = {name: getattr(master, name).astype(np.float32) for name in _TRAINED}
    parameters["kernel"] = kernel.astype(np.float32).copy()
    for name in ("before", "before_spread"):
        parameters[name] = np.triu(parameters[name], 1)
    return parameters


def _arrays(parameters: dict[str, np.ndarray], master: Master) -> dict[str, np.ndarray]:
    kernel = np.zeros((SIDE * SIDE, *master.kernel.shape[2:]), np.float32)
    kernel[:PLACES] = parameters["kernel"].reshape(PLACES, *master.kernel.shape[2:])
    return {**parameters, "kernel": kernel.reshape(master.kernel.shape)}


def _shares(place: float, count: int) -> np.ndarray:
    """The weights (Q) of the trained qualities at a place."""
    distances = np.abs(place - np.arange(count, dtype=np.float32))
    return np.maximum(0, np.float32(1) - distances).astype(np.float32)


def _whole(sample: Sample, count: int) -> _Batch:
    """All positions of a sample."""
    height, width, channels = sample.symbols.shape
    padded = np.pad(sample.symbols, ((REACH, 0), (REACH, REACH), (0, 0)))
    seen = [
        padded[dy : dy + height, dx : dx + width] for dy in range(REACH + 1) for dx in range(SIDE)
    ][:PLACES]
    positions = height * width
    return _Batch(
        np.stack(seen, axis=2).reshape(positions, -1),
        sample.symbols.reshape(positions, channels),
        np.broadcast_to(_shares(sample.place, count), (positions, count)),
    )


def _batches(samples: Sequence[Sample], count: int, size: int = 1024) -> Iterator[_Batch]:
    """Random positions of all samples."""
    whole = [_whole(sample, count) for sample in samples]
    seen, symbols, shares = (
        np.concatenate([getattr(batch, name) for batch in whole])
        for name in ("seen", "symbols", "shares")
    )
    rng = np.random.default_rng(0)
    while True:
        chosen = rng.integers(0, len(seen), size)
        yield _Batch(seen[chosen], symbols[chosen], shares[chosen])


def _state(p: dict[str, np.ndarray], log_gains: np.ndarray, batch: _Batch) -> dict[str, Any]:
    """Run the network on a batch: mean and scale of each symbol, and what leads to them."""
    channels = log_gains.shape[1]
    gains = np.exp2(batch.shares @ log_gains).astype(np.float32)
    symbols = batch.symbols.astype(np.float32)
    seen = (batch.seen.reshape(-1, PLACES, channels) / gains[:, None]).reshape(len(symbols), -1)
    hidden = np.maximum(seen @ p["kernel"] + batch.shares @ p["bias"], 0)
    out = hidden @ p["out_kernel"] + batch.shares @ p["out_bias"]
    values = symbols / gains
    mean = (out[:, :channels] + values @ p["before"]) * gains
    error = symbols - mean
    residual = np.minimum(np.abs(error), np.float32(LARGEST_RESIDUAL))
    spread = out[:, channels:] + residual @ p["before_spread"]
    return {
        **{"gains": gains, "seen": seen, "hidden": hidden, "values": values, "symbols": symbols},
        **{"mean": mean, "error": error, "residual": residual, "spread": spread},
    }


def _logistic(x: np.ndarray) -> np.ndarray:
    return np.float32(0.5) * (1 + np.tanh(np.float32(0.5) * x))


def _bits(
    p: dict[str, np.ndarray], log_gains: np.ndarray, batch: _Batch, train: bool = False
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Bits (N,C) of the symbols of a batch; the slopes of their mean per position, if wanted."""
    s = _state(p, log_gains, batch)
    scale = np.clip(np.exp2(s["spread"]), MIN_SCALE, MAX_SCALE).astype(np.float32)
    distance = np.abs(s["error"])
    upper, lower = (0.5 - distance) / scale, (-0.5 - distance) / scale
    above, below = _logistic(upper), _logistic(lower)
    probability = np.maximum(above - below, np.float32(2.0**-16))
    cost = -np.log2(probability)
    if not train:
        return cost, {}
    factor = -1 / (np.float32(np.log(2)) * probability * np.float32(len(cost)))
    factor[above - below < 2.0**-16] = 0
    rise, fall = above * (1 - above), below * (1 - below)
    to_mean = factor * (rise - fall) / scale * np.sign(s["error"])
    to_spread = -factor * np.float32(np.log(2)) * (upper * rise - lower * fall)
    to_spread[(s["spread"] <= -5) | (s["spread"] >= 6)] = 0
    return cost, _slopes(p, batch, s, to_mean, to_spread)


def _slopes(
    p: dict[str, np.ndarray],
    batch: _Batch,
    s: dict[str, Any],
    to_mean: np.ndarray,
    to_spread: np.ndarray,
) -> dict[str, np.ndarray]:
    """The slopes of all parameters, from those of means and spreads."""
    to_residual = to_spread @ p["before_spread"].T
    is_small = np.abs(s["error"]) < LARGEST_RESIDUAL
    to_mean = (to_mean - to_residual * np.sign(s["error"]) * is_small) * s["gains"]
    to_out = np.concatenate([to_mean, to_spread], axis=1)
    to_hidden = (to_out @ p["out_kernel"].T) * (s["hidden"] > 0)
    return {
        "kernel": s["seen"].T @ to_hidden,
        "bias": batch.shares.T @ to_hidden,
        "out_kernel": s["hidden"].T @ to_out,
        "out_bias": batch.shares.T @ to_out,
        "before": np.triu(s["values"].T @ to_mean, 1),
        "before_spread": np.triu(s["residual"].T @ to_spread, 1),
    }


def _adam(
    parameter: np.ndarray, moments: list[np.ndarray], slope: np.ndarray, rate: float, step: int
) -> None:
    first, second = moments
    first += (1 - _BETAS[0]) * (slope - first)
    second += (1 - _BETAS[1]) * (slope**2 - second)
    size = np.sqrt(second / (1 - _BETAS[1] ** step)) + _EPSILON
    parameter -= np.float32(rate / (1 - _BETAS[0] ** step)) * first / size


def _count(state: dict[str, Any], ones: np.ndarray, all_: np.ndarray) -> None:
    """Count the decisions of symbols, and those that are 1: (3,bins,contexts)."""
    mean, symbols = state["mean"], state["symbols"]
    center = np.floor(np.clip(mean, -127, 127) + 0.5)
    rest = np.clip(mean, -127, 127) - center
    bins = np.clip(np.floor((state["spread"] + 5.125) * 4), 0, BINS - 1).astype(int)
    sides = np.minimum((np.abs(rest) * 16).astype(int), SIDES - 1)
    distance = np.abs(symbols - center)
    differs = distance > 0
    toward = (symbols > center) == (rest >= 0)
    _add(ones[0], all_[0], bins, sides, differs)
    _add(ones[1], all_[1], bins[differs], sides[differs], toward[differs])
    for n in range(1, int(distance.max()) + 1):
        reached = distance >= n
        contexts = np.full(reached.sum(), min(n, STEPS) - 1)
        _add(ones[2], all_[2], bins[reached], contexts, (distance > n)[reached])


def _add(
    ones: np.ndarray, all_: np.ndarray, bins: np.ndarray, contexts: np.ndarray, bits_: np.ndarray
) -> None:
    np.add.at(all_, (bins, contexts), 1)
    np.add.at(ones, (bins, contexts), bits_)
