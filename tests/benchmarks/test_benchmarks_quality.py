"""Figures of decoded images against those of scikit-image and SciPy."""

import numpy as np
import pytest
import skimage.data
from scipy.stats import entropy
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio

from benchmarks.rate_distortion import order0
from benchmarks.rate_distortion.quality import compare
from edge_sr import metrics

ORIGINAL = skimage.data.astronaut()[20:200, 100:270]
DECODED = np.clip(
    ORIGINAL + np.random.default_rng(0).normal(0, 6, ORIGINAL.shape).round(), 0, 255
).astype(np.uint8)


def test_psnr_is_that_of_scikit_image() -> None:
    quality = compare(ORIGINAL, DECODED)
    luma, other = (rgb2ycbcr(pixels)[..., 0] for pixels in (ORIGINAL, DECODED))
    rounded = peak_signal_noise_ratio(luma.round(), other.round(), data_range=255)
    cut = peak_signal_noise_ratio(luma.astype(np.uint8), other.astype(np.uint8), data_range=255)
    assert quality.psnr_y == pytest.approx(rounded, abs=1e-3)
    assert quality.slides_psnr == pytest.approx(cut, abs=1e-3)
    assert quality.psnr_rgb == pytest.approx(peak_signal_noise_ratio(ORIGINAL, DECODED), abs=1e-9)


def test_the_slides_ms_ssim_is_the_mean_of_the_channels() -> None:
    channels = [metrics.ms_ssim(ORIGINAL[..., c], DECODED[..., c]) for c in range(3)]
    assert compare(ORIGINAL, DECODED).slides_ms_ssim == pytest.approx(np.mean(channels))
    gray = compare(ORIGINAL[..., 0], DECODED[..., 0])
    assert gray.slides_ms_ssim == gray.ms_ssim == channels[0]


def test_a_small_image_has_no_ms_ssim() -> None:
    quality = compare(ORIGINAL[:160], DECODED[:160])
    assert (quality.ms_ssim, quality.slides_ms_ssim) == (None, None)
    assert compare(ORIGINAL[:161], DECODED[:161]).ms_ssim is not None


def test_static_bits_are_the_entropy() -> None:
    symbols = np.random.default_rng(1).binomial(200, 0.3, (9, 40)).astype(np.uint8)
    counts = np.bincount(symbols.ravel())
    assert order0.static_bits(symbols) == pytest.approx(symbols.size * entropy(counts, base=2))
    assert order0.static_bits(np.zeros((3, 3), np.uint8)) == 0


def test_adaptive_bits_are_those_of_sequential_counting() -> None:
    symbols = np.random.default_rng(2).integers(0, 16, 300).astype(np.uint8) // 3
    counts, bits = np.ones(16), 0.0
    for symbol in symbols:
        bits -= np.log2(counts[symbol] / counts.sum())
        counts[symbol] += 1
    assert order0.adaptive_bits(symbols, 16) == pytest.approx(bits)
