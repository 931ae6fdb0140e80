"""The protocol against scikit-image, published figures and direct computation."""

import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import skimage.metrics
from PIL import Image
from tflite_factory import TfliteWriter

from edge_sr.data.colour import luminance
from edge_sr.data.datasets import find_pairs, load_pair
from edge_sr.data.degradation import bicubic_upscale
from edge_sr.errors import UserError
from edge_sr.evaluate import Record, Score, evaluate, mean
from edge_sr.runtime.opening import open_session
from edge_sr.runtime.pixels import UNIT, run_plane, state_range
from edge_sr.zoo import catalog


def nearest(plane: np.ndarray, scale: int) -> np.ndarray:
    return plane.repeat(scale, axis=0).repeat(scale, axis=1)


@pytest.mark.parametrize("scale", [2, 3])
def test_scores_equal_those_of_scikit_image_on_cropped_luma(photographs: Path, scale: int) -> None:
    pairs = find_pairs(photographs, scale)
    records = list(evaluate(partial(nearest, scale=scale), pairs, scale))
    assert [record.name for record in records] == [pair.name for pair in pairs]
    for record, pair in zip(records, pairs, strict=True):
        low, high = load_pair(pair, scale)
        inside = np.s_[scale:-scale, scale:-scale]
        reference, image = luminance(high)[inside], nearest(luminance(low), scale)[inside]
        assert (record.height, record.width) == high.shape[:2]
        assert record.score.psnr == pytest.approx(
            skimage.metrics.peak_signal_noise_ratio(reference, image, data_range=255), abs=1e-9
        )
        assert record.score.ssim == pytest.approx(
            skimage.metrics.structural_similarity(
                reference,
                image,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
                data_range=255,
            ),
            abs=1e-9,
        )
        assert record.score.ms_ssim is None


def test_per_channel_compares_the_luma_of_the_colour_result(photographs: Path) -> None:
    pair = find_pairs(photographs, 2)[0]
    low, high = load_pair(pair, 2)
    (record,) = evaluate(partial(nearest, scale=2), [pair], 2, per_channel=True)
    expected = skimage.metrics.peak_signal_noise_ratio(
        luminance(high)[2:-2, 2:-2], luminance(nearest(low, 2))[2:-2, 2:-2], data_range=255
    )
    assert record.score.psnr == pytest.approx(expected, abs=1e-9)


def test_a_session_is_scored_by_its_pixels(photographs: Path) -> None:
    session = open_session(catalog.find("tinypssr-x2").file("int8", ".tflite"), "litert")
    pairs = find_pairs(photographs, 2)[:2]
    assert list(evaluate(session, pairs, 2)) == list(
        evaluate(partial(run_plane, session), pairs, 2)
    )


def test_a_session_of_another_scale_is_refused(photographs: Path) -> None:
    session = open_session(catalog.find("tinypssr-x2").file("int8", ".tflite"), "litert")
    with pytest.raises(UserError, match="upscales x2, not x4"):
        list(evaluate(session, find_pairs(photographs, 4), 4))


def test_an_image_too_small_to_compare_is_named(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((14, 40), np.uint8)).save(tmp_path / "small.png")
    with pytest.raises(UserError, match=r"small\.png.*too small"):
        list(evaluate(partial(bicubic_upscale, scale=2), find_pairs(tmp_path, 2), 2))


def test_identical_images_have_infinite_psnr_and_ms_ssim_when_large(tmp_path: Path) -> None:
    Image.fromarray(np.full((170, 166), 99, np.uint8)).save(tmp_path / "flat.png")
    (record,) = evaluate(partial(nearest, scale=2), find_pairs(tmp_path, 2), 2)
    assert record.score == Score(math.inf, pytest.approx(1.0), pytest.approx(1.0))


def test_the_mean_has_ms_ssim_only_if_every_image_has_it() -> None:
    records = [Record("a", 9, 9, Score(30.0, 0.9, 0.99)), Record("b", 9, 9, Score(20.0, 0.7, None))]
    assert mean(records) == Score(25.0, pytest.approx(0.8), None)
    assert mean(records[:1]) == records[0].score
    with pytest.raises(ValueError, match="no record"):
        mean([])


@pytest.mark.shared
@pytest.mark.parametrize(("scale", "psnr", "ssim"), [(2, 33.66, 0.9299), (4, 28.42, 0.8104)])
def test_bicubic_on_set5_is_the_published_figure(
    shared_data: Path, scale: int, psnr: float, ssim: float
) -> None:
    pairs = find_pairs(shared_data / "set5", scale)
    score = mean(evaluate(partial(bicubic_upscale, scale=scale), pairs, scale))
    assert score.psnr == pytest.approx(psnr, abs=0.03)
    assert score.ssim == pytest.approx(ssim, abs=0.001)


def test_an_rgb_network_is_scored_by_the_luma_of_its_output(
    photographs: Path, tmp_path: Path
) -> None:
    writer = TfliteWriter(8, 8, channels=3, seed=3)
    model = writer.finish(writer.depth_to_space(writer.conv(writer.input, 12, 3), 2))
    (tmp_path / "rgb.tflite").write_bytes(model)
    session = open_session(tmp_path / "rgb.tflite", "litert")
    state_range(session, UNIT)
    pair = find_pairs(photographs, 2)[0]
    low, high = load_pair(pair, 2)
    (record,) = evaluate(session, [pair], 2)
    expected = skimage.metrics.peak_signal_noise_ratio(
        luminance(high)[2:-2, 2:-2], luminance(run_plane(session, low))[2:-2, 2:-2], data_range=255
    )
    assert record.score.psnr == pytest.approx(expected, abs=1e-9)
