"""Files of codecs, their matches, and the search for the slides' image, against Pillow."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import skimage.data
from block_means import BlockMeans
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks.rate_distortion import published, search
from benchmarks.rate_distortion.codecs import BEST, FORMATS, PhotoFormat, TinyCompress
from benchmarks.rate_distortion.published import Point
from benchmarks.rate_distortion.records import Log
from benchmarks.rate_distortion.study import find_images, mean, measure
from benchmarks.rate_distortion.survey import Matcher, nearest_quality, survey
from edge_sr.codec import codec
from edge_sr.errors import UserError

T = TypeVar("T")
PIXELS = skimage.data.astronaut()[20:191, 100:263]


def silent(items: Iterable[T], what: str, count: int) -> Iterable[T]:
    return items


def jpeg(pixels: np.ndarray, quality: int) -> tuple[int, np.ndarray]:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return file.tell(), np.asarray(Image.open(file))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(PIXELS).save(folder / "one.png")
    Image.fromarray(PIXELS[::-1, ::-1]).save(folder / "two.bmp")
    Image.fromarray(skimage.data.chelsea()[:100, :120]).save(folder / "three.png")
    return folder


@pytest.mark.parametrize("pixels", [PIXELS, PIXELS[..., 1]])
def test_sizes_and_pixels_are_those_of_the_files(pixels: np.ndarray) -> None:
    network = BlockMeans(16, int8=False)
    for coded in TinyCompress(network, "a").code(pixels, range(1, 9)):
        data = codec.compress(pixels, network, coded.setting)
        assert coded.size == len(data)
        assert np.array_equal(coded.pixels, codec.decompress(data, network).pixels)
        header = 44 + 8 * 3 + 8 * coded.setting + 4
        assert coded.latents is not None
        assert coded.latents.coded == 8 * (len(data) - header)
        assert coded.latents.raw == coded.setting * 3 * 43 * 41


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("pixels", [PIXELS, PIXELS[..., 1]])
def test_formats_are_the_files_that_pillow_saves(
    tmp_path: Path, name: str, pixels: np.ndarray
) -> None:
    Image.fromarray(pixels).save(tmp_path / f"a.{name}", quality=30)
    (coded,) = PhotoFormat(name).code(pixels, [30])
    assert coded.size == (tmp_path / f"a.{name}").stat().st_size
    with Image.open(tmp_path / f"a.{name}") as saved:
        mode = "L" if pixels.ndim == 2 else "RGB"
        assert np.array_equal(coded.pixels, np.asarray(saved.convert(mode)))


@given(
    st.lists(st.floats(0.01, 9), min_size=101, max_size=101).map(sorted),
    st.floats(0.001, 10),
    st.integers(0, 1),
)
def test_the_nearest_quality_is_the_nearest_of_all(
    bpp: list[float], target: float, least: int
) -> None:
    found = nearest_quality(bpp.__getitem__, target, least)
    assert abs(bpp[found] - target) == min(abs(each - target) for each in bpp[least:])


def test_a_match_is_the_best_of_all_qualities(images: Path, tmp_path: Path) -> None:
    images = find_images(images)
    all_pixels = [np.asarray(Image.open(image.path)) for image in images]
    bpp = {
        quality: np.mean(
            [8 * jpeg(pixels, quality)[0] / pixels[..., 0].size for pixels in all_pixels]
        )
        for quality in range(1, 101)
    }
    matcher = Matcher(Log(tmp_path / "records.csv"), images, PhotoFormat("jpeg"))
    for target in (0.7, 1.5, 4.0):
        found = matcher.match(target)
        assert found is not None
        assert found.bpp == pytest.approx(bpp[found.setting])
        assert found.setting == min(bpp, key=lambda quality: abs(bpp[quality] - target))
    assert matcher.match(0.05) is None
    assert matcher.match(50) is None


def test_a_survey_resumes_where_it_stopped(images: Path, tmp_path: Path) -> None:
    path, images, network = tmp_path / "records.csv", find_images(images), BlockMeans(4, True)
    form = PhotoFormat("jpeg")
    first = survey(Log(path), images, [TinyCompress(network, "a")], [form], silent)
    assert network.encoded == 3
    assert [row.setting for row in first.curves[0]] == list(range(1, 9))
    assert first.small == ["three"]
    complete = path.read_bytes()
    assert survey(Log(path), images, [TinyCompress(network, "a")], [form], silent) == first
    assert (network.encoded, path.read_bytes()) == (3, complete)
    path.write_bytes(b"\n".join(complete.split(b"\n")[:12]) + b"\nset,tw")
    assert survey(Log(path), images, [TinyCompress(network, "a")], [form], silent) == first
    assert network.encoded == 5
    assert sorted(path.read_bytes().splitlines()) == sorted(complete.splitlines())


def test_records_of_an_image_or_network_that_changed_are_refused(
    images: Path, tmp_path: Path
) -> None:
    log, network = Log(tmp_path / "records.csv"), TinyCompress(BlockMeans(4, True), "a")
    measure(log, find_images(images)[0], network, [8])
    other = TinyCompress(BlockMeans(4, True), "b")
    with pytest.raises(UserError, match="another tc-4-int8"):
        measure(log, find_images(images)[0], other, [8])
    Image.fromarray(PIXELS[:50]).save(images / "one.png")
    with pytest.raises(UserError, match="another image one of images"):
        measure(log, find_images(images)[0], network, [8])


def test_means_leave_out_the_ms_ssim_of_small_images(images: Path, tmp_path: Path) -> None:
    log, form = Log(tmp_path / "records.csv"), PhotoFormat("jpeg")
    records = [measure(log, image, form, [50])[0] for image in find_images(images)]
    found = mean(records)
    large = [record.ms_ssim for record in records if record.ms_ssim is not None]
    assert len(large) == 2
    assert found.quality.ms_ssim == pytest.approx(sum(large) / 2)
    assert found.quality.psnr_rgb == pytest.approx(np.mean([r.psnr_rgb for r in records]))
    assert (found.raw, found.coded) == (None, None)


def points_of(pixels: np.ndarray, qualities: Iterable[int]) -> dict[int, Point]:
    """Return printed figures of JPEG files."""
    points = {}
    for quality in qualities:
        size, decoded = jpeg(pixels, quality)
        error = np.mean((pixels.astype(float) - decoded) ** 2)
        psnr = round(10 * np.log10(255**2 / error), 4)
        points[quality] = Point(round(8 * size / pixels[..., 0].size, 4), psnr, 0.5)
    return points


def test_the_search_finds_the_image_and_its_qualities(images: Path, tmp_path: Path) -> None:
    points = points_of(skimage.data.chelsea()[:100, :120], (95, 60, 8))
    forms = [PhotoFormat("jpeg"), PhotoFormat("jpeg-444")]
    found = search.candidates(
        Log(tmp_path / "records.csv"), find_images(images), forms, points.values()
    )
    records = [record for some in found for record in some]
    identified = search.identify(records, points)
    assert identified is not None
    assert (identified.image, identified.psnr) == ("three", "psnr_rgb")
    assert {key: file.setting for key, file in identified.files.items()} == {95: 95, 60: 60, 8: 8}
    assert {file.codec for file in identified.files.values()} == {"jpeg"}
    points[60] = Point(points[60].bpp, points[60].psnr + 0.1, 0.5)
    assert search.identify(records, points) is None


@pytest.mark.shared
def test_the_slides_jpegs_are_of_kodim09(shared_data: Path, tmp_path: Path) -> None:
    kodak = shared_data / "kodak"
    if not (kodak / "kodim09.png").exists():
        pytest.skip("no Kodak images")
    points = published.points(published.JPEG)
    images = [each for each in find_images(kodak) if each.name in ("kodim03", "kodim09")]
    log, forms = Log(tmp_path / "records.csv"), [PhotoFormat("jpeg")]
    found = search.candidates(log, images, forms, points.values())
    identified = search.identify([record for some in found for record in some], points)
    assert identified is not None
    assert (identified.image, identified.psnr) == ("kodim09", "slides_psnr")
    for rate, file in identified.files.items():
        assert file.slides_ms_ssim == pytest.approx(points[rate].ms_ssim, abs=2e-4)


def test_names_that_differ_only_in_the_suffix_are_refused(images: Path) -> None:
    Image.fromarray(PIXELS).save(images / "two.png")
    with pytest.raises(UserError, match="differ only in their suffix"):
        find_images(images)


def test_the_originals_of_a_test_set_are_used(tmp_path: Path) -> None:
    for name in ("hr", "lr_x2"):
        (tmp_path / name).mkdir()
        Image.fromarray(PIXELS).save(tmp_path / name / "a.png")
    (image,) = find_images(tmp_path)
    assert (image.collection, image.path) == (tmp_path.name, tmp_path / "hr" / "a.png")


def test_qualities_end_at_100() -> None:
    tried: list[int] = []

    def bpp(quality: int) -> float:
        tried.append(quality)
        return float(quality)

    assert nearest_quality(bpp, 1e9, 0) == BEST
    assert max(tried) == BEST
