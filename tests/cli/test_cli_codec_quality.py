"""`edge-sr compress`, `decompress` and `info` with codecs that have qualities."""

from pathlib import Path

import learned_standins as standins
import numpy as np
import pytest
import skimage.data
from command_line import EdgeSr
from PIL import Image

from edge_sr.codec import codec, container2, learned, opening
from edge_sr.zoo import catalog

PIXELS = skimage.data.astronaut()[150:214, 180:277]


@pytest.fixture
def image_file(tmp_path: Path) -> Path:
    Image.fromarray(PIXELS).save(tmp_path / "in.png")
    return tmp_path / "in.png"


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ship two codecs with qualities, and one of TinyCompress."""
    zoo = tmp_path / "zoo"
    standins.write(zoo / "cae-low")
    standins.write(zoo / "cae-high")
    (zoo / "tinycompress-16").symlink_to(catalog.FOLDER / "tinycompress-16")
    monkeypatch.setattr(catalog, "FOLDER", zoo)
    return zoo


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("precise", [False, True])
def test_a_quality_selects_the_network(
    edge_sr: EdgeSr, image_file: Path, tmp_path: Path, shipped: Path, precise: bool
) -> None:
    options = ("--model", "cae-high") if precise else ()
    result = edge_sr("compress", image_file, tmp_path / "a.tcz", "--quality", "7.25", *options)
    assert (result.code, result.out, result.err) == (0, "", "")
    data = (tmp_path / "a.tcz").read_bytes()
    assert data == learned.compress(PIXELS, opening.find_ladder().at(7.25))
    result = edge_sr("decompress", tmp_path / "a.tcz", tmp_path / "out.png")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert np.array_equal(pixels_of(tmp_path / "out.png"), codec.decompress(data).pixels)
    out = edge_sr("info", tmp_path / "a.tcz").out
    assert "97x64, rgb" in out
    assert "cae-high-int8, decoder " in out
    assert "quality:   7.2" in out
    assert "4 channels of 13x8, -127 to 127" in out
    assert f"{len(data)} bytes" in out


def test_a_target_gets_the_quality_that_fits(
    edge_sr: EdgeSr, image_file: Path, tmp_path: Path, shipped: Path
) -> None:
    command = ("compress", image_file, tmp_path / "a.tcz", "--model", "cae", "--target-bpp", "1.5")
    assert edge_sr(*command).code == 0
    data = (tmp_path / "a.tcz").read_bytes()
    assert data == learned.compress_within(PIXELS, opening.find_ladder(), 1.5)


def test_the_default_codec_is_one_line(
    edge_sr: EdgeSr, image_file: Path, tmp_path: Path, shipped: Path, monkeypatch
) -> None:
    for default, version in ((catalog.CODEC, 1), (catalog.LEARNED, 2)):
        monkeypatch.setattr(catalog, "DEFAULT_CODEC", default)
        assert edge_sr("compress", image_file, tmp_path / "a.tcz", "--force").code == 0
        assert (tmp_path / "a.tcz").read_bytes()[4] == version
    assert edge_sr("compress", image_file, tmp_path / "b.tcz", "--rate", "16").code == 0
    assert (tmp_path / "b.tcz").read_bytes()[4] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "cae", "--planes", "4"), "--planes is an option of TinyCompress, and cae"),
        (
            ("--model", "cae-low", "--rate", "16"),
            "--rate is an option of TinyCompress, and cae-low",
        ),
        (("--quality", "5", "--quantizer", "clipping"), "--quantizer is an option of TinyCompress"),
        (("--model", "tinycompress-16", "--quality", "5"), "--quality is not an option of tinyc"),
        (("--quality", "5", "--target-bpp", "1"), "--quality and --target-bpp exclude each other"),
        (("--quality", "10.5"), "a quality is a number from 1 to 10, not 10.5"),
        (("--model", "cae-low", "--quality", "9"), "has qualities 1 to 7, not 9"),
        (("--model", "cae", "--float32"), "has no float32 networks; use --int8"),
        (
            ("--model", "cae-medium"),
            "unknown network 'cae-medium'; available: tinycompress-16, cae",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(
    edge_sr: EdgeSr, image_file: Path, tmp_path: Path, shipped: Path, options, message: str
) -> None:
    assert message in edge_sr.refuses("compress", image_file, tmp_path / "a.tcz", *options)
    assert not (tmp_path / "a.tcz").exists()


def test_truncated_files_need_salvage(edge_sr: EdgeSr, tmp_path: Path, shipped: Path) -> None:
    tall = np.tile(PIXELS, (3, 1, 1))
    data = learned.compress(tall, opening.find_ladder().at(5))
    (tmp_path / "cut.tcz").write_bytes(data[:-3])
    command = ("decompress", tmp_path / "cut.tcz", tmp_path / "out.png")
    assert "part 2 of 2" in edge_sr.refuses(*command)
    assert not (tmp_path / "out.png").exists()
    result = edge_sr(*command, "--salvage")
    assert result.code == 0
    assert "128 of 192 rows are intact, the others gray" in result.err
    assert (pixels_of(tmp_path / "out.png")[128:] == 128).all()
    out = edge_sr("info", tmp_path / "cut.tcz").out
    assert "128 of 192 rows, can be decoded" in out
    assert "truncated" in out


def test_the_python_interface_takes_the_same_options(shipped: Path) -> None:
    import edge_sr

    data = edge_sr.compress(PIXELS, quality=3)
    assert data == learned.compress(PIXELS, opening.find_ladder().at(3))
    assert np.array_equal(edge_sr.decompress(data), codec.decompress(data).pixels)
    limited = edge_sr.compress(PIXELS, model="cae-low", bpp=1)
    assert 8 * len(limited) <= PIXELS[..., 0].size
    assert container2.unpack(limited).header.model_id == "cae-low-int8"
    with pytest.raises(edge_sr.EdgeSRError, match="quality is a number, not 'high'"):
        edge_sr.compress(PIXELS, quality="high")
    with pytest.raises(edge_sr.EdgeSRError, match="--planes is an option of TinyCompress"):
        edge_sr.compress(PIXELS, quality=3, planes=3)
