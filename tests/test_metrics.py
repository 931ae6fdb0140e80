"""PSNR, SSIM and MS-SSIM, against scikit-image and TensorFlow."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sr.errors import UserError
from edge_sr.metrics import ms_ssim, psnr, ssim


def pair(height: int, width: int, seed: int, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Noise over a ramp, and the same with more noise."""
    rng = np.random.default_rng(seed)
    ramp = np.add.outer(np.arange(height), np.arange(width)) % 256
    clean = ramp * 0.6 + rng.normal(60, 20, (height, width))
    noisy = clean + rng.normal(0, strength, (height, width))
    to_uint8 = (np.clip(plane, 0, 255).astype(np.uint8) for plane in (clean, noisy))
    return next(to_uint8), next(to_uint8)


def inside(plane: np.ndarray, border: int) -> np.ndarray:
    return plane[border : plane.shape[0] - border, border : plane.shape[1] - border]


SIZES = {
    "height": st.integers(11, 60),
    "width": st.integers(11, 60),
    "border": st.integers(0, 4),
    "seed": st.integers(0, 999),
    "strength": st.floats(1, 80),
}


@settings(max_examples=80, deadline=None)
@given(**SIZES)
def test_psnr_equals_that_of_scikit_image(
    height: int, width: int, border: int, seed: int, strength: float
) -> None:
    from skimage.metrics import peak_signal_noise_ratio

    a, b = pair(height + 2 * border, width + 2 * border, seed, strength)
    b[border, border] = a[border, border] ^ 1  # never identical
    expected = peak_signal_noise_ratio(inside(a, border), inside(b, border), data_range=255)
    assert psnr(a, b, border) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=80, deadline=None)
@given(**SIZES)
def test_ssim_equals_that_of_scikit_image(
    height: int, width: int, border: int, seed: int, strength: float
) -> None:
    from skimage.metrics import structural_similarity

    a, b = pair(height + 2 * border, width + 2 * border, seed, strength)
    expected = structural_similarity(
        inside(a, border),
        inside(b, border),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
    )
    assert ssim(a, b, border) == pytest.approx(expected, abs=1e-10)


def test_large_planes_give_the_same_in_bands() -> None:
    from skimage.metrics import structural_similarity

    a, b = pair(700, 900, 3, 20)
    expected = structural_similarity(
        a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    assert ssim(a, b) == pytest.approx(expected, abs=1e-10)
    error = np.mean((a.astype(np.float64) - b) ** 2)
    assert psnr(a, b) == pytest.approx(10 * math.log10(255**2 / error), abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(161, 161), (177, 200), (256, 333), (181, 495)])
@pytest.mark.parametrize("strength", [2, 25, 80])
def test_ms_ssim_equals_that_of_tensorflow(size: tuple[int, int], strength: float) -> None:
    import tensorflow as tf

    # TensorFlow wants 11 pixels in the last octave; it halves with odd edges mirrored (repeated).
    a, b = pair(*size, seed=1, strength=strength)
    expected = tf.image.ssim_multiscale(
        tf.constant(a[..., None], tf.float32), tf.constant(b[..., None], tf.float32), 255
    )
    assert ms_ssim(a, b) == pytest.approx(float(expected), abs=1e-5)


def test_identical_planes() -> None:
    a, _ = pair(170, 170, 0, 1)
    assert psnr(a, a) == math.inf
    assert ssim(a, a) == pytest.approx(1)
    assert ms_ssim(a, a) == pytest.approx(1)


def test_a_known_error() -> None:
    a = np.full((20, 20), 100, np.uint8)
    assert psnr(a, a + np.uint8(1)) == pytest.approx(20 * math.log10(255))


def test_differences_in_the_border_do_not_count() -> None:
    a, _ = pair(180, 180, 0, 1)
    b = a.copy()
    b[:2], b[-2:], b[:, :2], b[:, -2:] = 0, 0, 255, 255
    for metric in (psnr, ssim, ms_ssim):
        assert metric(a, b, 2) == metric(a, a, 2)
        assert metric(a, b, 1) < metric(a, a, 1)


def test_planes_may_be_views() -> None:
    a, b = pair(120, 130, 0, 20)
    assert ssim(a[::2, ::2], b[::2, ::2]) == ssim(a[::2, ::2].copy(), b[::2, ::2].copy())


@pytest.mark.parametrize(("metric", "min_side"), [(psnr, 1), (ssim, 11), (ms_ssim, 161)])
def test_planes_that_are_too_small_are_refused(metric, min_side: int) -> None:  # type: ignore[no-untyped-def]
    a, b = pair(min_side + 4, min_side + 10, 0, 9)
    metric(a, b, 2)
    with pytest.raises(UserError, match="too small"):
        metric(a, b, 3)


@pytest.mark.parametrize("metric", [psnr, ssim, ms_ssim])
def test_planes_of_another_kind_are_refused(metric) -> None:  # type: ignore[no-untyped-def]
    a = np.zeros((170, 170), np.uint8)
    for other in (a[1:], a.astype(np.float32), np.zeros((170, 170, 3), np.uint8)):
        with pytest.raises(UserError, match="two uint8 planes"):
            metric(a, other)
    with pytest.raises(UserError, match="border"):
        metric(a, a, -1)
