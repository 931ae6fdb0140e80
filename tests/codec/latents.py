"""Synthetic latents."""

import numpy as np


def smooth(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Return waves with a little noise, similar to the latents of images."""
    rng = np.random.default_rng(seed)
    c, y, x = np.indices(shape)
    pitch, noise = rng.uniform(0.05, 0.6, 3), rng.normal(0, rng.uniform(0, 12), shape)
    wave = np.sin(pitch[0] * y + c) + np.cos(pitch[1] * x) + np.sin(pitch[2] * (x + y))
    return np.clip(128 + 45 * wave + noise, 0, 255).astype(np.uint8)
