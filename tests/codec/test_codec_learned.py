"""Codecs with qualities: quality scale, networks at a place, and files from image to image."""

import math
from pathlib import Path

import learned_standins as standins
import numpy as np
import pytest
import skimage.data

from edge_sr.codec import codec, container2, learned, opening, quality
from edge_sr.codec.quality import PLACE_STEPS
from edge_sr.errors import UserError
from edge_sr.runtime.opening import open_part

PIXELS = skimage.data.astronaut()[150:251, 180:309]
"""129x101 pixels, neither a multiple of 8."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return standins.write(tmp_path_factory.mktemp("learned") / "toy")


@pytest.fixture(scope="module")
def ladder(folder: Path):
    return opening.find_ladder(str(folder))


def psnr(original: np.ndarray, decoded: np.ndarray) -> float:
    return 10 * math.log10(255**2 / np.mean((original.astype(float) - decoded) ** 2))


def test_qualities_are_spread_over_the_gains() -> None:
    span = quality.Span(3)
    assert [span.place(value) for value in (1, 3.25, 5.5, 10)] == [0, 128, 256, 512]
    assert span.quality(256) == 5.5
    for outside in (0.9, 10.1):
        with pytest.raises(UserError, match="this network has qualities 1 to 10"):
            span.place(outside)


def test_the_shipped_pair_shares_a_scale() -> None:
    low, high = quality.span("cae-low", 7), quality.span("cae-high", 6)
    assert [low.place(value) / 256 for value in (1, 4.5, 7)] == [0, 3.5, 6]
    places = [high.place(value) / 256 for value in (6, 8, 10)]
    assert places == pytest.approx([0.4, 2.7, 5], abs=0.01)


@pytest.mark.parametrize("value", [0.99, 10.01, math.nan, math.inf])
def test_qualities_outside_1_to_10_are_refused(value: float) -> None:
    with pytest.raises(UserError, match="a number from 1 to 10"):
        quality.check(value)


def test_a_file_is_the_image_and_grows_with_its_quality(ladder) -> None:
    files = [learned.compress(PIXELS, ladder.at(value)) for value in (1, 5.5, 10)]
    assert [len(file) for file in files] == sorted(len(file) for file in files)
    headers = [container2.unpack(file).header for file in files]
    assert [header.place for header in headers] == [0, PLACE_STEPS, 2 * PLACE_STEPS]
    scores = []
    for file in files:
        decoded = codec.decompress(file, ladder.codecs[0])
        assert (decoded.pixels.shape, decoded.pixels.dtype, decoded.note) == (
            (101, 129, 3),
            "u1",
            "",
        )
        scores.append(psnr(PIXELS, decoded.pixels))
    means = np.pad(PIXELS, ((0, 3), (0, 7), (0, 0)), "edge").reshape(13, 8, 17, 8, 3).mean((1, 3))
    best = psnr(PIXELS, means.repeat(8, 0).repeat(8, 1)[:101, :129])
    assert scores[0] < best
    assert scores[2] == pytest.approx(best, abs=0.4)


def test_symbols_at_a_place_are_those_of_the_highest_scaled(ladder, folder: Path) -> None:
    """The encoder's weights are scaled; LiteRT's float of its output is the reference."""
    coding = ladder.at(5.5)
    top, middle = ladder.at(10).symbols(PIXELS), coding.symbols(PIXELS)
    assert np.abs(middle - top / 2).max() <= 1.0
    padded = np.pad(PIXELS, ((0, 3), (0, 7), (0, 0)), "edge")
    session = open_part(
        (folder / "encoder-int8.tflite").read_bytes(), latents=None, runtime="litert"
    )
    reference = session.run((padded.astype(np.int16) - 128).astype(np.int8)[np.newaxis])[0]
    assert np.abs(top.astype(int) - reference).max() <= 1


def test_gray_images_stay_gray_and_flat_ones_flat(ladder) -> None:
    gray = np.full((16, 24), 77, np.uint8)
    decoded = codec.decompress(learned.compress(gray, ladder.at(10)), ladder.codecs[0]).pixels
    assert decoded.shape == gray.shape
    assert np.abs(decoded.astype(int) - 77).max() <= 4


def test_a_limit_gets_the_highest_quality_that_fits(ladder) -> None:
    whole = learned.compress(PIXELS, ladder.at(6))
    bpp = 8 * len(whole) / PIXELS[..., 0].size
    file = learned.compress_within(PIXELS, ladder, bpp)
    assert len(file) <= len(whole)
    place = container2.unpack(file).header.place
    assert place >= container2.unpack(whole).header.place
    above = ladder.codecs[0].span.quality(place) + 2 / learned.GRID
    assert len(learned.compress(PIXELS, ladder.at(above))) > len(whole)
    with pytest.raises(UserError, match="quality 1 alone needs"):
        learned.compress_within(PIXELS, ladder, 0.001)


def test_rows_of_missing_parts_are_gray(ladder) -> None:
    tall = np.tile(PIXELS, (3, 1, 1))[:280]
    coding = ladder.at(5)
    file = learned.compress(tall, coding)
    whole = codec.decompress(file, ladder.codecs[0]).pixels
    with pytest.raises(UserError, match="--salvage` decodes the 256 rows"):
        codec.decompress(file[:-1], ladder.codecs[0])
    salvaged = codec.decompress(file[:-1], ladder.codecs[0], salvage=True)
    assert "256 of 280 rows are intact" in salvaged.note
    assert np.array_equal(salvaged.pixels[:240], whole[:240])
    assert (salvaged.pixels[256:] == 128).all()


def test_a_pair_of_codecs_covers_all_qualities(tmp_path: Path, monkeypatch) -> None:
    from edge_sr.zoo import catalog

    standins.write(tmp_path / "cae-low")
    standins.write(tmp_path / "cae-high")
    monkeypatch.setattr(catalog, "FOLDER", tmp_path)
    ladder = opening.find_ladder()
    assert ladder.qualities == (1, 10)
    names = [ladder.at(value).codec.id for value in (1, 6, 6.1, 10)]
    assert names == ["cae-low-int8", "cae-low-int8", "cae-high-int8", "cae-high-int8"]
    file = learned.compress(PIXELS, ladder.at(8))
    assert codec.decompress(file).pixels.shape == PIXELS.shape
    assert ladder.codecs[1].span.quality(container2.unpack(file).header.place) == pytest.approx(
        8, abs=0.01
    )
    with pytest.raises(UserError, match=r"this network has qualities 1 to 7, not 9"):
        opening.find_ladder("cae-low").at(9)


def test_files_of_other_codecs_are_refused(ladder, tmp_path: Path) -> None:
    file = learned.compress(PIXELS, ladder.at(5))
    other = standins.write(tmp_path / "toy", seed=1)
    with pytest.raises(UserError, match=r"this file needs the context [0-9a-f]{16} of toy-int8"):
        codec.decompress(file, opening.find_ladder(str(other)).codecs[0])
    (other / "decoder-int8.tflite").write_bytes(standins.decoder() + bytes(4))
    with pytest.raises(UserError, match="needs the network toy-int8 with decoder"):
        codec.decompress(file, opening.find_ladder(str(other)).codecs[0])
    with pytest.raises(UserError, match="this file needs the network 'toy-int8', which is not"):
        codec.decompress(file)
    with pytest.raises(UserError, match="bit planes"):
        codec.decompress(file, ladder.codecs[0], planes=3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("decoder", "the decoder of toy-int8 takes 4 channels, and its context 5"),
        ("encoder", "the decoder of toy-int8 does not enlarge by 8; it may be an encoder"),
    ],
)
def test_parts_that_do_not_fit_are_refused(tmp_path: Path, change: str, message: str) -> None:
    folder = standins.write(tmp_path / "toy")
    if change == "decoder":
        standins.master(channels=5).write(folder / "context.safetensors")
    else:
        (folder / "decoder-int8.tflite").write_bytes(standins.encoder())
    with pytest.raises(UserError, match=message):
        opening.find_ladder(str(folder))
