"""BT.601 colour, against scikit-image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sr.data.colour import luminance, rgb_to_ycbcr, ycbcr_to_rgb
from edge_sr.errors import UserError


def all_colours(step: int = 1) -> np.ndarray:
    values = np.arange(0, 256, step, dtype=np.uint8)
    return np.stack(np.meshgrid(values, values, values, indexing="ij"), -1).reshape(
        len(values), -1, 3
    )


def test_forward_is_scikit_images_rounded() -> None:
    from skimage.color import rgb2ycbcr

    rgb = all_colours(3)
    exact = rgb2ycbcr(rgb)
    ours = rgb_to_ycbcr(rgb)
    # Rounded to nearest; at a half, double precision may fall on either side.
    assert np.abs(ours - exact).max() <= 0.5 + 1e-9
    ties = np.abs(exact - np.floor(exact) - 0.5) < 1e-9
    np.testing.assert_array_equal(ours[~ties], np.floor(exact + 0.5)[~ties])
    assert (ours[ties] >= exact[ties]).all(), "halves go up"


def test_known_colours() -> None:
    # ITU-R BT.601 studio range: white 235, black 16, chroma between 16 and 240.
    rgb = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    expected = [[16, 128, 128], [235, 128, 128], [81, 90, 240], [145, 54, 34], [41, 240, 110]]
    np.testing.assert_array_equal(rgb_to_ycbcr(rgb)[0], expected)


def test_luminance_is_the_first_component() -> None:
    rgb = all_colours(5)
    np.testing.assert_array_equal(luminance(rgb), rgb_to_ycbcr(rgb)[..., 0])


def test_gray_passes_unchanged() -> None:
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(luminance(gray), gray)


def test_backward_is_scikit_images_rounded() -> None:
    from skimage.color import ycbcr2rgb

    ycbcr = all_colours(5)
    exact = np.clip(ycbcr2rgb(ycbcr.astype(np.float64)) * 255, 0, 255)
    assert np.abs(ycbcr_to_rgb(ycbcr) - exact).max() <= 0.5 + 1e-6


def test_a_round_trip_stays_within_two() -> None:
    rgb = all_colours(3)
    assert np.abs(ycbcr_to_rgb(rgb_to_ycbcr(rgb)).astype(int) - rgb).max() <= 2


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 9))
def test_every_size_is_converted_pixel_by_pixel(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rgb = np.broadcast_to(rng.integers(0, 256, (1, width, 3), np.uint8), (height, width, 3))
    row = rgb_to_ycbcr(rgb[:1])
    np.testing.assert_array_equal(rgb_to_ycbcr(rgb), np.broadcast_to(row, rgb.shape))
    np.testing.assert_array_equal(ycbcr_to_rgb(rgb)[-1], ycbcr_to_rgb(rgb[:1])[0])


@pytest.mark.parametrize("convert", [luminance, rgb_to_ycbcr, ycbcr_to_rgb])
@pytest.mark.parametrize("shape", [(4, 4, 4), (4,), (4, 4, 1)])
def test_other_shapes_are_refused(convert, shape: tuple[int, ...]) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match="uint8"):
        convert(np.zeros(shape, np.uint8))


def test_other_dtypes_are_refused() -> None:
    for shape in ((4, 4), (4, 4, 3)):
        with pytest.raises(UserError, match="uint8"):
            luminance(np.zeros(shape, np.float32))  # type: ignore[arg-type]
