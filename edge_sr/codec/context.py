"""The context model of the symbol coder: from a trained float network to integers.

`training.rate_model` trains it; `engine/c/esr_symbols.h` specifies the integers. A codec's folder
keeps the float network (`context.safetensors`), because each quality needs integers of its own: its
gains are part of them.

`fold` gives the same integers on every machine: it uses only operations that IEEE 754 rounds
exactly, one array operation at a time, and no library's exponential.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np

from edge_sr.codec import tensors
from edge_sr.errors import UserError

REACH, SIDE, PLACES = 2, 5, 12
BINS, SIDES, STEPS = 45, 8, 4
MAX_CHANNELS, MAX_HIDDEN, GROUP = 64, 128, 16

ONE = 1024
"""One symbol, and one octave of the scale, in the integers."""

SPREAD_ONE = 4096
LARGEST_PROBABILITY = 65504
SMALLEST_PROBABILITY = 31

_MAGIC = b"ESY1"
_SCALE = 2.0**26
_BIAS = 2.0**24
_HASH_BYTES = 8


@dataclass(frozen=True)
class Master:
    """The float context model, for Q trained qualities, C channels and H hidden units.

    Attributes:
        lambdas: (2,) float64, the weight of the distortion at the lowest and the highest quality;
            those between are spaced evenly by their logarithms.
        log_gains: (Q,C), logarithms to base 2 of the factors from latents to symbols.
        kernel: (5,5,C,H), of latents; the places of the mask count.
        bias: (Q,H).
        out_kernel: (H,2C), to means, in latents, and logarithms to base 2 of scales, in symbols.
        out_bias: (Q,2C).
        before: (C,C), [from, to] means of later channels, in latents.
        before_spread: (C,C), [from, to] logarithms of scales of later channels.
        hidden_ranges: (H,), the value of each hidden unit that becomes 127; larger ones saturate.
        probabilities: (2,45,8) uint16, first probabilities of the decisions "differs" and "side".
        steps: (45,4) uint16, those of the decisions "more".
    """

    lambdas: np.ndarray
    log_gains: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray
    out_kernel: np.ndarray
    out_bias: np.ndarray
    before: np.ndarray
    before_spread: np.ndarray
    hidden_ranges: np.ndarray
    probabilities: np.ndarray
    steps: np.ndarray

    def __post_init__(self) -> None:
        if self.log_gains.ndim != 2 or self.kernel.ndim != 4:
            raise UserError("a context model has gains (Q,C) and a kernel (5,5,C,H)")
        (count, channels), hidden = self.log_gains.shape, self.kernel.shape[-1]
        shapes = {
            "lambdas": (2,),
            "kernel": (SIDE, SIDE, channels, hidden),
            "bias": (count, hidden),
            "out_kernel": (hidden, 2 * channels),
            "out_bias": (count, 2 * channels),
            "before": (channels, channels),
            "before_spread": (channels, channels),
            "hidden_ranges": (hidden,),
            "probabilities": (2, BINS, SIDES),
            "steps": (BINS, STEPS),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise UserError(f"{name} of a context model must be {shape}")
        if not 1 <= channels <= MAX_CHANNELS or hidden not in range(GROUP, MAX_HIDDEN + 1, GROUP):
            raise UserError(
                f"a context model has 1 to {MAX_CHANNELS} channels and {GROUP} to {MAX_HIDDEN} "
                f"hidden units, a multiple of {GROUP}, not {channels} and {hidden}"
            )
        self._check_values()

    def _check_values(self) -> None:
        if not all(np.isfinite(getattr(self, field.name)).all() for field in fields(self)):
            raise UserError("a context model has a value that is not finite")
        if not 1 <= len(self.log_gains) <= 64 or np.abs(self.log_gains).max() > 24:
            raise UserError("a context model has 1 to 64 gains of 2^-24 to 2^24")
        if not 0 < self.lambdas[0] <= self.lambdas[1]:
            raise UserError("lambdas of a context model must be positive and ascending")
        if self.hidden_ranges.min() <= 0:
            raise UserError("ranges of hidden units must be positive")
        for table in (self.probabilities, self.steps):
            if table.min() < SMALLEST_PROBABILITY or table.max() > LARGEST_PROBABILITY:
                raise UserError("a context model has a probability that is out of range")

    @property
    def lambda_low(self) -> float:
        """The weight of the distortion at place 0."""
        return float(self.lambdas[0])

    @property
    def lambda_high(self) -> float:
        """The weight of the distortion at the highest place."""
        return float(self.lambdas[1])

    @property
    def channels(self) -> int:
        """C."""
        return int(self.log_gains.shape[1])

    @property
    def top(self) -> int:
        """The highest place: the number of trained qualities, less one."""
        return len(self.log_gains) - 1

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file that `write` has written.

        Raises:
            UserError: the file is missing or damaged, or its arrays do not fit.
        """
        arrays, expected = tensors.read(path), {field.name for field in fields(cls)}
        if set(arrays) != expected:
            raise UserError(
                f"{path} is not a context model: it needs {', '.join(sorted(expected))}"
            )
        return cls(**arrays)

    def write(self, path: Path) -> None:
        """Write the arrays as .safetensors."""
        tensors.write(path, {field.name: getattr(self, field.name) for field in fields(self)})


def of_weights(
    weights: Mapping[str, np.ndarray], lambdas: tuple[float, float], ranges: np.ndarray | float
) -> Master:
    """The context model of a network that `training.rate_model` trained, with logistic tables.

    Args:
        weights: of the network, by "rate_model/variable".
        lambdas: of the lowest and of the highest quality.
        ranges: of the hidden units, one each or one for all.
    """
    of = {
        name: np.asarray(weights[f"rate_model/{name}"], np.float32)
        for name in (
            *("log_gains", "kernel", "bias", "out_kernel", "out_bias", "before", "before_spread"),
        )
    }
    for name in ("out_kernel", "before", "before_spread"):
        of[name] = of[name][0, 0]
    probabilities, steps = logistic_tables()
    hidden = np.broadcast_to(np.float32(ranges), of["bias"].shape[1:]).astype(np.float32)
    of["lambdas"] = np.array(lambdas, np.float64)
    return Master(**of, hidden_ranges=hidden, probabilities=probabilities, steps=steps)


def logistic_tables() -> tuple[np.ndarray, np.ndarray]:
    """First probabilities of all decisions if symbols are logistic, as in training."""
    scale = 2.0 ** (np.arange(BINS) / 4 - 5)[:, None]
    rest = (np.arange(SIDES) + 0.5) / 16
    near, far = (0.5 - rest) / scale, (0.5 + rest) / scale
    p_near, p_far = 1 / (1 + np.exp(near)), 1 / (1 + np.exp(far))
    toward = 1 / (1 + np.exp(-(np.logaddexp(0, far) - np.logaddexp(0, near))))
    n = np.arange(1, STEPS + 1)
    more = np.exp(np.logaddexp(0, (n - 0.5) / scale) - np.logaddexp(0, (n + 0.5) / scale))
    tables = [np.stack([p_near + p_far, toward]), more]
    low, high = SMALLEST_PROBABILITY, LARGEST_PROBABILITY
    first, last = (np.clip(np.rint(t * 65536), low, high).astype(np.uint16) for t in tables)
    return first, last


def _at(table: np.ndarray, place: float) -> np.ndarray:
    """A row of a table (Q,...) between two of its rows."""
    low = min(int(place), len(table) - 1)
    high = min(low + 1, len(table) - 1)
    share = place - low
    rows = table.astype(np.float64)
    return rows[low] * (1.0 - share) + rows[high] * share


def _exp2(values: np.ndarray) -> np.ndarray:
    """2 to the power of float64 values, by products and sums only: the same on every machine."""
    whole = np.rint(values)
    x = (values - whole) * 0.6931471805599453
    total = np.ones_like(x)
    for n in range(14, 0, -1):
        total = total * x
        total = total / n
        total = total + 1.0
    return np.ldexp(total, whole.astype(np.int64))


def _check_place(master: Master, place: float) -> None:
    if not 0 <= place <= master.top:
        raise UserError(f"a place among this codec's qualities is 0 to {master.top}, not {place}")


def steps(master: Master, place: float) -> np.ndarray:
    """(C,) float64: symbols of the highest place per symbol of this one, of each channel.

    Raises:
        UserError: the place is out of range.
    """
    _check_place(master, place)
    return _exp2(_at(master.log_gains, master.top) - _at(master.log_gains, place))


def gain_ratios(master: Master, place: float) -> np.ndarray:
    """(C,) float64: symbols of this place per symbol of the highest one, of each channel.

    Raises:
        UserError: the place is out of range.
    """
    _check_place(master, place)
    return _exp2(_at(master.log_gains, place) - _at(master.log_gains, master.top))


def _quantized(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int8 of weights (inputs, outputs), and the scale of each output."""
    scales = np.abs(weights).max(axis=0) / 127.0
    scales = np.where(scales > 0, scales, 1.0)
    return np.rint(weights / scales).astype(np.int8), scales


def _grouped(weights: np.ndarray) -> bytes:
    """The bytes of weights (inputs, outputs): [inputs / 16][outputs][16]."""
    inputs, outputs = weights.shape
    padded = np.zeros((-(-inputs // GROUP) * GROUP, outputs), np.int8)
    padded[:inputs] = weights
    return padded.reshape(-1, GROUP, outputs).transpose(0, 2, 1).tobytes()


def _biases(values: np.ndarray) -> bytes:
    return np.clip(np.rint(values), -_BIAS, _BIAS).astype("<i4").tobytes()


def _multipliers(values: np.ndarray) -> bytes:
    return np.clip(np.rint(values * _SCALE), 0, 2**31 - 1).astype("<i4").tobytes()


def _triangle(weights: np.ndarray) -> bytes:
    """The bytes of weights [from][to]: int16 [to][from, padded], those of channels before."""
    channels = len(weights)
    table = np.zeros((channels, -(-channels // GROUP) * GROUP))
    table[:, :channels] = np.triu(weights, 1).T
    return np.clip(np.rint(table), -32767, 32767).astype("<i2").tobytes()


def fold(master: Master, place: float) -> bytes:
    """The integer context model of one quality: the blob of `engine/c/esr_symbols.h`.

    Args:
        master: the float network.
        place: among its trained qualities, 0 to Q - 1; may lie between two.

    Raises:
        UserError: the place is out of range.
    """
    _check_place(master, place)
    channels, hidden = master.channels, master.kernel.shape[-1]
    gains = _exp2(_at(master.log_gains, place))
    taps = master.kernel.reshape(SIDE * SIDE, channels, hidden)[:PLACES].astype(np.float64)
    kernel, scale = _quantized((taps / gains[:, None]).reshape(PLACES * channels, hidden))
    hidden_unit = master.hidden_ranges.astype(np.float64) / 127.0
    units = np.concatenate([gains, np.ones(channels)]) * ONE
    folded = master.out_kernel.astype(np.float64) * hidden_unit[:, None] * units
    out, out_scale = _quantized(folded)
    before = master.before.astype(np.float64) / gains[:, None] * gains * ONE
    return b"".join(
        (
            _MAGIC + np.array([channels, hidden], "<u2").tobytes() + bytes(8),
            *(_grouped(kernel), _grouped(out)),
            *(_triangle(before), _triangle(master.before_spread.astype(np.float64) * SPREAD_ONE)),
            _biases(_at(master.bias, place) / scale),
            _multipliers(scale / hidden_unit),
            _biases(_at(master.out_bias, place) * units / out_scale),
            _multipliers(out_scale),
            master.probabilities.astype("<u2").tobytes(),
            master.steps.astype("<u2").tobytes(),
        )
    )


def blob_hash(blob: bytes) -> bytes:
    """8 bytes that tell blobs apart: the start of the SHA-256."""
    return hashlib.sha256(blob).digest()[:_HASH_BYTES]
