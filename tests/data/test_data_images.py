"""Reading and writing images, against Pillow."""

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage
from PIL import ImageCms

from edge_sr.data.image_formats import holds_profile, holds_wide
from edge_sr.data.image_writer import write_image
from edge_sr.data.images import list_images, read_image, read_wide
from edge_sr.errors import UserError

RGB = np.random.default_rng(1).integers(0, 256, (13, 17, 3), np.uint8)
GRAY = RGB[..., 0]

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GRAY_PROFILE = PROFILE[:16] + b"GRAY" + PROFILE[20:]
CMYK_PROFILE = PROFILE[:16] + b"CMYK" + PROFILE[20:]


def save(path: Path, mode: str, **options: object) -> PillowImage.Image:
    """Save a small image in one of Pillow's modes and return it."""
    saved = PillowImage.fromarray(RGB).convert(mode)
    if mode.endswith("A"):
        saved.putalpha(PillowImage.fromarray(GRAY))
    saved.save(path, **options)
    return saved


def write(path: Path, pixels: np.ndarray, profile: bytes | None = None) -> None:
    """Write an image in two bands."""
    middle = (len(pixels) + 1) // 2
    write_image(path, pixels.shape, [pixels[:middle], pixels[middle:]], profile)


# --- colour profiles -----------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", ".avif"])
def test_a_profile_survives_reading_and_writing(tmp_path: Path, suffix: str) -> None:
    save(tmp_path / f"a{suffix}", "RGB", icc_profile=PROFILE)
    image = read_image(tmp_path / f"a{suffix}")
    assert (image.profile, image.note) == (PROFILE, None)
    write(tmp_path / f"b{suffix}", image.pixels, image.profile)
    with PillowImage.open(tmp_path / f"b{suffix}") as saved:
        assert saved.info["icc_profile"] == PROFILE


def test_images_without_a_profile_get_none(tmp_path: Path) -> None:
    save(tmp_path / "a.png", "RGB")
    assert read_image(tmp_path / "a.png").profile is None
    write(tmp_path / "b.png", RGB)
    with PillowImage.open(tmp_path / "b.png") as saved:
        assert "icc_profile" not in saved.info


@pytest.mark.parametrize(
    ("mode", "profile", "kept"),
    [
        ("L", GRAY_PROFILE, True),
        ("L", PROFILE, False),
        ("RGB", GRAY_PROFILE, False),
        ("CMYK", CMYK_PROFILE, False),
        ("RGB", b"short", False),
        ("RGB", PROFILE + bytes(1 << 20), False),
    ],
    ids=["gray", "colour on gray", "gray on colour", "cmyk", "short", "huge"],
)
def test_a_profile_of_another_colour_space_is_left_out_with_a_note(
    tmp_path: Path, mode: str, profile: bytes, kept: bool
) -> None:
    save(tmp_path / "a.tif", mode, icc_profile=profile)
    image = read_image(tmp_path / "a.tif")
    assert image.profile == (profile if kept else None)
    assert ("its colour profile was left out" in (image.note or "")) != kept


@pytest.mark.parametrize(("suffix", "pixels"), [(".bmp", RGB), (".webp", GRAY)])
def test_formats_that_hold_no_such_profile(tmp_path: Path, suffix: str, pixels: np.ndarray) -> None:
    profile = PROFILE if pixels.ndim == 3 else GRAY_PROFILE
    assert not holds_profile(tmp_path / f"a{suffix}", profile)
    write(tmp_path / f"a{suffix}", pixels, profile)
    with PillowImage.open(tmp_path / f"a{suffix}") as saved:
        assert "icc_profile" not in saved.info


# --- what is read unchanged, and what is converted with a note ------------------------------------


@pytest.mark.parametrize("pixels", [RGB, GRAY], ids=["rgb", "gray"])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".webp"])
def test_plain_images_are_read_unchanged(tmp_path: Path, pixels: np.ndarray, suffix: str) -> None:
    PillowImage.fromarray(pixels).save(tmp_path / f"a{suffix}", lossless=True)
    image = read_image(tmp_path / f"a{suffix}")
    assert image.note is None
    # WebP knows no gray: it comes back as three equal channels.
    expected = np.stack([pixels] * 3, -1) if suffix == ".webp" and pixels.ndim == 2 else pixels
    np.testing.assert_array_equal(image.pixels, expected)


@pytest.mark.parametrize(
    ("mode", "suffix", "target", "word"),
    [
        ("P", ".png", "RGB", "palette"),
        ("P", ".gif", "RGB", "palette"),
        ("LA", ".png", "L", "transparency"),
        ("RGBA", ".png", "RGB", "transparency"),
        ("RGBA", ".webp", "RGB", "transparency"),
        ("1", ".png", "L", "black and white"),
        ("CMYK", ".tif", "RGB", "CMYK"),
        ("CMYK", ".jpg", "RGB", "CMYK"),
    ],
)
def test_other_kinds_are_converted_with_a_note(
    tmp_path: Path, mode: str, suffix: str, target: str, word: str
) -> None:
    path = tmp_path / f"a{suffix}"
    save(path, mode)
    image = read_image(path)
    with PillowImage.open(path) as saved:
        np.testing.assert_array_equal(image.pixels, np.asarray(saved.convert(target)))
    assert image.note is not None
    assert word in image.note


def test_alpha_is_dropped_not_blended(tmp_path: Path) -> None:
    rgba = np.dstack([RGB, np.zeros_like(GRAY)])
    PillowImage.fromarray(rgba).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").pixels, RGB)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_16_bit_gray_is_rounded_to_8(tmp_path: Path, suffix: str) -> None:
    wide = np.random.default_rng(2).integers(0, 65536, (40, 50)).astype(np.uint16)
    wide.flat[:3] = 0, 65535, 257 * 100
    PillowImage.fromarray(wide).save(tmp_path / f"a{suffix}")
    image = read_image(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(image.pixels, np.round(wide * (255 / 65535)).astype(np.uint8))
    assert image.note is not None
    assert "16 bits" in image.note


WIDE = np.random.default_rng(3).integers(0, 65536, (40, 50)).astype(np.uint16)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_read_wide_keeps_the_samples_of_16_bit_gray(tmp_path: Path, suffix: str) -> None:
    PillowImage.fromarray(WIDE).save(tmp_path / f"a{suffix}")
    image = read_wide(tmp_path / f"a{suffix}")
    assert image is not None
    assert (image.pixels.dtype, image.note) == (np.uint16, None)
    np.testing.assert_array_equal(image.pixels, WIDE)


def test_both_orders_of_bytes_give_the_same_counts(tmp_path: Path) -> None:
    for order in "<>":
        head = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8)
        tags = [(256, 4, 50), (257, 4, 40), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 122)]
        tags += [(277, 3, 1), (278, 4, 40), (279, 4, 4000)]
        entries = b"".join(
            struct.pack(f"{order}HHI", tag, kind, 1)
            + struct.pack(f"{order}I" if kind == 4 else f"{order}Hxx", value)
            for tag, kind, value in tags
        )
        count = struct.pack(f"{order}H", len(tags))
        data = head + count + entries + bytes(4)
        assert len(data) == 122
        (tmp_path / "a.tif").write_bytes(data + WIDE.astype(f"{order}u2").tobytes())
        image = read_wide(tmp_path / "a.tif")
        assert image is not None
        np.testing.assert_array_equal(image.pixels, WIDE)


def test_a_16_bit_image_is_turned_upright_and_keeps_its_profile(tmp_path: Path) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    saved = PillowImage.fromarray(WIDE)
    saved.save(tmp_path / "a.png", exif=exif, icc_profile=GRAY_PROFILE)
    image = read_wide(tmp_path / "a.png")
    assert image is not None
    assert (image.note, image.profile) == ("a.png: the image was turned upright", GRAY_PROFILE)
    np.testing.assert_array_equal(image.pixels, np.rot90(WIDE, 3))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp"])
def test_read_wide_gives_none_for_other_images(tmp_path: Path, suffix: str) -> None:
    PillowImage.fromarray(GRAY).save(tmp_path / f"a{suffix}")
    assert read_wide(tmp_path / f"a{suffix}") is None
    PillowImage.fromarray(WIDE).save(tmp_path / "a.pgm")  # its samples are stretched by Pillow
    assert read_wide(tmp_path / "a.pgm") is None


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("kept", [0.9, 0.5])
def test_truncated_16_bit_files_are_refused(tmp_path: Path, suffix: str, kept: float) -> None:
    PillowImage.fromarray(WIDE).save(tmp_path / f"a{suffix}")
    data = (tmp_path / f"a{suffix}").read_bytes()
    (tmp_path / f"a{suffix}").write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(UserError, match=r"truncated|damaged"):
        read_wide(tmp_path / f"a{suffix}")


def test_16_bit_gray_is_written_as_tiff(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write_image(path, WIDE.shape, [WIDE[:7], WIDE[7:]], bits=16)
    with PillowImage.open(path) as saved:
        np.testing.assert_array_equal(np.asarray(saved), WIDE)
    assert holds_wide(path)
    assert not holds_wide(tmp_path / "a.jpg")
    with pytest.raises(UserError, match="cannot write an array of uint8"):
        write_image(path, GRAY.shape, [GRAY], bits=16)


def test_16_bit_colour_is_mentioned(tmp_path: Path) -> None:
    import png

    wide = (RGB.astype(np.uint16) << 8).reshape(13, -1)
    with (tmp_path / "a.png").open("wb") as file:
        png.Writer(17, 13, greyscale=False, bitdepth=16).write(file, wide.tolist())
    image = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(image.pixels, RGB)
    assert image.note is not None
    assert "16 bits" in image.note


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_as_pillow_does(tmp_path: Path, orientation: int) -> None:
    from PIL import ImageOps

    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    PillowImage.fromarray(RGB).save(tmp_path / "a.png", exif=exif)
    image = read_image(tmp_path / "a.png")
    with PillowImage.open(tmp_path / "a.png") as saved:
        np.testing.assert_array_equal(image.pixels, np.asarray(ImageOps.exif_transpose(saved)))
    assert (image.note is None) == (orientation == 1)


def test_the_first_image_of_a_camera_mpo_is_taken(tmp_path: Path) -> None:
    first, second = PillowImage.fromarray(RGB), PillowImage.fromarray(RGB[::-1])
    first.save(tmp_path / "a.mpo", save_all=True, append_images=[second])
    image = read_image(tmp_path / "a.mpo")
    with PillowImage.open(tmp_path / "a.mpo") as saved:
        np.testing.assert_array_equal(image.pixels, np.asarray(saved))
    assert "first of several" in str(image.note)


# --- what is refused -----------------------------------------------------------------------------


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_image(path)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("suffix", [".png", ".gif", ".webp", ".tif"])
def test_animated_files_are_refused(tmp_path: Path, suffix: str) -> None:
    first, second = PillowImage.fromarray(RGB), PillowImage.fromarray(RGB[::-1])
    first.save(tmp_path / f"a{suffix}", save_all=True, append_images=[second])
    assert "several frames" in refusal(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".webp", ".tif", ".bmp"])
@pytest.mark.parametrize("kept", [0.9, 0.5, 0.1])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str, kept: float) -> None:
    PillowImage.fromarray(np.tile(RGB, (8, 8, 1))).save(tmp_path / f"a{suffix}")
    data = (tmp_path / f"a{suffix}").read_bytes()
    (tmp_path / f"a{suffix}").write_bytes(data[: int(len(data) * kept)])
    text = refusal(tmp_path / f"a{suffix}").replace(str(tmp_path), "")
    assert text.lower().count("truncated") <= 1


def test_files_that_are_not_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    assert "empty" in refusal(tmp_path / "empty.png")
    (tmp_path / "text.png").write_text("not an image")
    assert "not an image" in refusal(tmp_path / "text.png")
    (tmp_path / "a.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    assert "not an image" in refusal(tmp_path / "a.eps")
    assert "not a file" in refusal(tmp_path)
    assert "no such file" in refusal(tmp_path / "missing.png")


def test_pixels_without_8_bit_equivalent_are_refused(tmp_path: Path) -> None:
    PillowImage.fromarray(GRAY.astype(np.float32)).save(tmp_path / "a.tif")
    assert "kind F" in refusal(tmp_path / "a.tif")


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds ten bytes of pixels."""

    def chunk(tag: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10)))


@pytest.mark.parametrize(("width", "height"), [(20_001, 10_000), (2**31 - 1, 2**31 - 1)])
def test_decompression_bombs_are_refused(tmp_path: Path, width: int, height: int) -> None:
    (tmp_path / "a.png").write_bytes(png_header(width, height))
    assert f"claims {width}x{height} pixels; the limit is 200000000" in refusal(tmp_path / "a.png")


def test_a_size_of_zero_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png_header(0, 5))
    refusal(tmp_path / "a.png")


def valid_files() -> list[bytes]:
    files = []
    for form in ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "PPM", "TGA"):
        buffer = io.BytesIO()
        PillowImage.fromarray(RGB).save(buffer, form)
        files.append(buffer.getvalue())
    return files


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    data=st.sampled_from(valid_files()),
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_damaged_bytes_give_pixels_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, edits: list[tuple[float, int]]
) -> None:
    damaged = bytearray(data)
    for where, value in edits:
        damaged[int(where * (len(damaged) - 1))] = value
    path = tmp_path_factory.mktemp("damaged") / "a"
    path.write_bytes(damaged)
    try:
        pixels = read_image(path).pixels
    except UserError as error:
        sentence = str(error)
    else:
        sentence = ""
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 2 or pixels.shape[2] == 3
    assert "\n" not in sentence


# --- memory --------------------------------------------------------------------------------------

PEAK = """
import sys
from pathlib import Path
from edge_sr.data.images import read_image

def status(key):
    return int(Path("/proc/self/status").read_text().split(key)[1].split()[0]) // 1024

peak, now = status("VmHWM:"), status("VmRSS:")
pixels = read_image(sys.argv[1]).pixels
print(pixels.nbytes, status("VmHWM:") - peak, status("VmRSS:") - now)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_reading_50_megapixels_holds_two_copies_then_one(tmp_path: Path) -> None:
    side = 7100
    PillowImage.new("RGB", (side, side), (1, 2, 3)).save(tmp_path / "a.png", compress_level=1)
    command = [sys.executable, "-c", PEAK, str(tmp_path / "a.png")]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    size, peak, after = map(int, answer.stdout.split())
    assert size == 3 * side * side
    pillow, array = 4 * side * side / 2**20, 3 * side * side / 2**20
    assert peak < pillow + array + 48
    assert after < array + 48


# --- folders -------------------------------------------------------------------------------------


def test_folders_are_searched_recursively_in_order(tmp_path: Path) -> None:
    for name in ("b.png", "a/c.JPG", "a/x.txt", ".hidden/d.png", ".e.png", "a/b/f.tiff"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in list_images(tmp_path)]
    assert found == ["a/b/f.tiff", "a/c.JPG", "b.png"]


def test_folders_without_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.txt").touch()
    with pytest.raises(UserError, match="holds no image"):
        list_images(tmp_path)
    with pytest.raises(UserError, match="not a folder"):
        list_images(tmp_path / "missing")


# --- writing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("pixels", [RGB, GRAY], ids=["rgb", "gray"])
@pytest.mark.parametrize("suffix", [".png", ".TIFF", ".bmp", ".ppm", ".tga", ".jp2", ".pcx"])
def test_lossless_formats_give_the_pixels_back(
    tmp_path: Path, pixels: np.ndarray, suffix: str
) -> None:
    write(tmp_path / f"a{suffix}", pixels)
    with PillowImage.open(tmp_path / f"a{suffix}") as saved:
        np.testing.assert_array_equal(np.asarray(saved), pixels)
    assert [path.name for path in tmp_path.iterdir()] == [f"a{suffix}"]


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
def test_photographic_formats_stay_close(tmp_path: Path, suffix: str) -> None:
    smooth = np.add.outer(np.arange(64), 2 * np.arange(48)).astype(np.uint8)
    pixels = np.stack([smooth, smooth[::-1], smooth[:, ::-1]], -1)
    write(tmp_path / f"a{suffix}", pixels)
    with PillowImage.open(tmp_path / f"a{suffix}") as saved:
        assert np.abs(np.asarray(saved).astype(int) - pixels).max() < 32


def test_unknown_suffixes_and_odd_pixels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"use one of \.png, \.jpg"):
        write(tmp_path / "a.xyz", RGB)
    with pytest.raises(UserError, match="uint8"):
        write(tmp_path / "a.png", RGB.astype(np.float32))
    with pytest.raises(UserError, match="uint8"):
        write(tmp_path / "a.png", RGB[..., :2])
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file_alone(tmp_path: Path) -> None:
    write(tmp_path / "a.webp", RGB)
    before = (tmp_path / "a.webp").read_bytes()
    too_wide = np.zeros((1, 16_384), np.uint8)  # WebP's sides end at 16383
    with pytest.raises(UserError, match="cannot write"):
        write(tmp_path / "a.webp", too_wide)
    assert (tmp_path / "a.webp").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_paths_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot write"):
        write(tmp_path / "missing" / "a.png", RGB)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UserError, match="folder"):
        write(tmp_path / "folder.png", RGB)
