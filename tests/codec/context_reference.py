"""The context model in float64, written from `training.rate_model`, and random ones."""

import numpy as np

from edge_sr.codec import context


def random_master(channels: int, seed: int, qualities: int = 3, hidden: int = 32) -> context.Master:
    """A context model of random weights, whose symbols are mostly small."""
    rng = np.random.default_rng(seed)
    shapes = {
        "kernel": (0.15 / channels**0.5, (5, 5, channels, hidden)),
        "bias": (0.3, (qualities, hidden)),
        "out_kernel": (0.3 / hidden**0.5, (1, 1, hidden, 2 * channels)),
        "out_bias": (0.5, (qualities, 2 * channels)),
        "before": (0.3 / channels**0.5, (1, 1, channels, channels)),
        "before_spread": (0.1 / channels**0.5, (1, 1, channels, channels)),
    }
    weights = {f"rate_model/{n}": rng.normal(0, size, shape) for n, (size, shape) in shapes.items()}
    gains = np.linspace(-1, 0.5, qualities)[:, None] + rng.normal(0, 0.2, channels)
    return context.of_weights(weights | {"rate_model/log_gains": gains}, (0.001, 0.01), 4.0)


def _between(table: np.ndarray, place: float) -> np.ndarray:
    return np.array([np.interp(place, range(len(table)), column) for column in table.T])


def symbol_bits(master: context.Master, symbols: np.ndarray, place: float) -> np.ndarray:
    """Bits of each symbol (h,w,C), by its logistic distribution."""
    gains = 2.0 ** _between(master.log_gains, place)
    (height, width, channels), values = symbols.shape, symbols / gains
    padded = np.pad(values, ((2, 0), (2, 2), (0, 0)))
    sums = _between(master.bias, place) + sum(
        padded[dy : dy + height, dx : dx + width] @ master.kernel[dy, dx].astype(float)
        for dy in range(3)
        for dx in range(5)
        if dy < 2 or dx < 2
    )
    out = np.maximum(sums, 0) @ master.out_kernel.astype(float)
    out += _between(master.out_bias, place)
    mean = (out[..., :channels] + values @ np.triu(master.before, 1).astype(float)) * gains
    residual = np.minimum(np.abs(symbols - mean), 8)
    spread = out[..., channels:] + residual @ np.triu(master.before_spread, 1).astype(float)
    scale = np.clip(2.0**spread, 2.0**-5, 2.0**6)
    distance = np.abs(symbols - mean)
    probability = _logistic((0.5 - distance) / scale) - _logistic((-0.5 - distance) / scale)
    return -np.log2(np.maximum(probability, 2.0**-16))


def _logistic(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(x / 2))


def sample(master: context.Master, place: float, shape: tuple[int, int, int]) -> np.ndarray:
    """Symbols (h,w,C) drawn from the logistic distributions, one after the other."""
    rng = np.random.default_rng(1)
    height, width, channels = shape
    gains = 2.0 ** _between(master.log_gains, place)
    bias, out_bias = _between(master.bias, place), _between(master.out_bias, place)
    taps = master.kernel.reshape(25, channels, -1)[:12].astype(float)
    before = np.triu(master.before, 1).astype(float)
    before_spread = np.triu(master.before_spread, 1).astype(float)
    values = np.zeros((height + 2, width + 4, channels))
    for y, x in np.ndindex(height, width):
        seen = values[y : y + 3, x : x + 5].reshape(15, channels)[:12]
        hidden = np.maximum(np.einsum("kc,kch->h", seen, taps) + bias, 0)
        out = hidden @ master.out_kernel + out_bias
        here, residual = values[y + 2, x + 2], np.zeros(channels)
        for c in range(channels):
            mean = (out[c] + here @ before[:, c]) * gains[c]
            spread = out[channels + c] + residual @ before_spread[:, c]
            scale = np.clip(2.0**spread, 2.0**-5, 2.0**6)
            symbol = np.clip(np.rint(rng.logistic(mean, scale)), -127, 127)
            here[c], residual[c] = symbol / gains[c], min(abs(symbol - mean), 8)
    return np.rint(values[2:, 2:-2] * gains).astype(np.int8)
