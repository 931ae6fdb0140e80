"""Upscaling by tiles, against the whole image; colour, 16-bit gray, files and memory."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory import peak_memory
from PIL import Image, ImageCms
from tflite_factory import Network, TfliteWriter, networks, pack, unpack
from tflm_oracle import run_tflm

from edge_sr.data.colour import rgb_to_ycbcr, ycbcr_to_rgb
from edge_sr.data.degradation import UPSCALE_CONTEXT, bicubic_upscale
from edge_sr.errors import UserError
from edge_sr.runtime.opening import open_session
from edge_sr.runtime.pixels import UNIT, decode, encode, run_plane, state_range
from edge_sr.runtime.session import Session
from edge_sr.runtime.tiles import windows
from edge_sr.upscaling import upscale, upscale_bands, upscale_file
from edge_sr.zoo import catalog
from export.onnx import from_tflite

RUNTIMES = {"litert": ".tflite", "tflm": ".tflite", "onnx": ".onnx", "engine": ".tflite"}
SIDES = st.integers(1, 60)
EXAMPLES = {"litert": 80, "tflm": 25, "onnx": 80, "engine": 80}  # TFLM takes longer for each


def strided(height: int = 8, width: int = 6) -> bytes:
    """An upscaler x2 that halves its image first, so that it cannot be tiled."""
    writer = TfliteWriter(height, width)
    features = writer.conv(writer.input, 16, 3, "RELU", stride=2)
    model = unpack(writer.finish(writer.depth_to_space(features, 4)))
    pixels = model.subgraphs[0].tensors[-1].quantization
    before = model.subgraphs[0].tensors[model.subgraphs[0].operators[-1].inputs[0]].quantization
    for each in (pixels, before):
        each.scale, each.zeroPoint = [1 / 255], [-128]
    return pack(model)


@pytest.mark.parametrize("runtime", ["litert", "tflm", "engine"])
def test_a_network_with_strides_takes_the_image_as_a_whole(runtime: str, tmp_path: Path) -> None:
    path = tmp_path / "strided.tflite"
    path.write_bytes(strided())
    opened = open_session(path, runtime)
    for height, width in ((1, 1), (9, 5), (300, 8)):
        pixels = image(height, width, seed=height)
        whole = np.pad(pixels, ((0, height % 2), (0, width % 2)), "edge")
        values = encode(whole, opened.input)[np.newaxis, ..., np.newaxis]
        expected = decode(run_tflm(strided(*whole.shape), values), opened.output)
        expected = expected[0, : 2 * height, : 2 * width, 0].astype(int)
        largest = np.abs(upscale(opened, pixels) - expected).max()
        assert largest <= (1 if runtime == "litert" else 0)


def test_a_network_of_one_size_refuses_other_images(tmp_path: Path) -> None:
    path = tmp_path / "strided.tflite"
    path.write_bytes(strided())
    opened = open_session(path, "engine")
    opened.fixed_size = (8, 6)
    assert upscale(opened, image(8, 6, 0)).shape == (16, 12)
    with pytest.raises(UserError, match="whole images of 6x8 pixels only, and the image is 7x8"):
        upscale(opened, image(8, 7, 0))


@pytest.fixture(scope="module")
def session() -> Session:
    return open_session(catalog.find("tinypssr-anchor-x2").file("int8", ".tflite"), "litert")


def image(height: int, width: int, seed: int, colour: bool = False) -> np.ndarray:
    shape = (height, width, 3) if colour else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@given(length=st.integers(1, 500), size=st.integers(1, 90), halo=st.integers(0, 12))
def test_windows_cover_an_axis_once_and_keep_their_halo(length: int, size: int, halo: int) -> None:
    size = max(size, 2 * halo + 1)
    result = windows(length, size, halo)
    kept = [pixel for window in result for pixel in range(window.keep_start, window.keep_stop)]
    assert kept == list(range(length))
    for window in result:
        assert 0 <= window.start < window.stop <= length
        assert window.stop - window.start == min(size, length)
        assert window.start == 0 or window.keep_start - window.start >= halo
        assert window.stop == length or window.stop - window.keep_stop >= halo


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_tiles_of_random_networks_equal_the_whole_image(runtime: str, tmp_path: Path) -> None:
    path = tmp_path / f"model{RUNTIMES[runtime]}"

    @settings(max_examples=EXAMPLES[runtime], deadline=None)
    @given(network=networks, height=SIDES, width=SIDES, extra=st.integers(1, 30))
    def check(network: Network, height: int, width: int, extra: int) -> None:
        model = network.write(8, 8)
        path.write_bytes(from_tflite(model) if runtime == "onnx" else model)
        session = open_session(path, runtime)
        assert session.scale == network.scale
        state_range(session, UNIT)
        plane = image(height, width, network.seed)
        window = 2 * max(session.halo, UPSCALE_CONTEXT) + extra
        tiled = upscale(session, plane, window=window)
        assert np.array_equal(tiled, run_plane(session, plane))

    check()


def rgb_network(seed: int) -> bytes:
    writer = TfliteWriter(8, 8, channels=3, seed=seed)
    image = writer.conv(writer.conv(writer.input, 5, 3), 12, 3)
    return writer.finish(writer.depth_to_space(image, 2))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_rgb_network_upscales_all_channels_at_once(runtime: str, tmp_path: Path) -> None:
    path = tmp_path / f"model{RUNTIMES[runtime]}"
    model = rgb_network(1)
    path.write_bytes(from_tflite(model) if runtime == "onnx" else model)
    session = open_session(path, runtime)
    assert (session.channels, session.scale) == (3, 2)
    state_range(session, UNIT)
    rgb = image(30, 23, 2, colour=True)
    direct = decode(session.run(encode(rgb, session.input)[np.newaxis]), session.output)[0]
    assert np.array_equal(upscale(session, rgb, window=12), direct)
    gray = image(9, 12, 3)
    three = upscale(session, np.dstack([gray] * 3))
    assert np.array_equal(upscale(session, gray), np.rint(three.mean(axis=2)))
    with pytest.raises(UserError, match="takes RGB at once; omit --per-channel"):
        upscale(session, rgb, per_channel=True)


@settings(max_examples=20, deadline=None)
@given(height=SIDES, width=SIDES, extra=st.integers(1, 30), per_channel=st.booleans())
def test_colour_tiles_equal_the_whole_image(
    session: Session, height: int, width: int, extra: int, per_channel: bool
) -> None:
    rgb = image(height, width, extra, colour=True)
    tiled = upscale(session, rgb, per_channel, window=2 * session.halo + extra)
    if per_channel:
        whole = np.dstack([run_plane(session, rgb[..., channel]) for channel in range(3)])
    else:
        ycbcr = rgb_to_ycbcr(rgb)
        large = bicubic_upscale(ycbcr, 2)
        large[..., 0] = run_plane(session, ycbcr[..., 0])
        whole = ycbcr_to_rgb(large)
    assert np.array_equal(tiled, whole)


def test_a_halo_that_is_too_small_changes_the_result(session: Session) -> None:
    plane = image(60, 60, 0)
    true_halo, session.halo = session.halo, session.halo - 1
    try:
        assert not np.array_equal(upscale(session, plane, window=20), run_plane(session, plane))
    finally:
        session.halo = true_halo


def test_bands_are_given_from_top_to_bottom(session: Session) -> None:
    plane = image(100, 30, 0)
    bands = list(upscale_bands(session, plane, window=32))
    assert len(bands) > 3
    assert {band.shape[1] for band in bands} == {60}
    assert np.array_equal(np.concatenate(bands), upscale(session, plane))


def test_a_window_must_exceed_its_halo(session: Session) -> None:
    with pytest.raises(UserError, match="both sides must exceed 8"):
        upscale(session, image(30, 30, 0), window=8)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".ppm"])
@pytest.mark.parametrize("colour", [False, True])
def test_files_hold_the_upscaled_pixels(
    session: Session, suffix: str, colour: bool, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.png", tmp_path / f"out{suffix}"
    pixels = image(31, 300, 5, colour)
    Image.fromarray(pixels).save(source)
    upscale_file(session, source, target)
    with Image.open(target) as written:
        assert np.array_equal(np.asarray(written), upscale(session, pixels))
    assert sorted(tmp_path.iterdir()) == sorted([source, target])


# --- 16 bits -------------------------------------------------------------------------------------


def counts_of(pixels: np.ndarray) -> np.ndarray:
    """A thermal camera's counts: eight of them for each step of 8 bits."""
    return (7000 + 8 * pixels.astype(np.uint16)).astype(np.uint16)


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    import skimage.data

    return skimage.data.camera()[150:250, 180:300]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("model", ["tinypssr-anchor", "tinypssr-ir-mae"])
def test_16_bit_gray_stays_in_its_units(
    scene: np.ndarray, tmp_path: Path, suffix: str, model: str
) -> None:
    session = open_session(catalog.find(f"{model}-x2").file("int8", ".tflite"), "litert")
    source, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    Image.fromarray(counts_of(scene)).save(source)
    assert upscale_file(session, source, target).note is None
    with Image.open(target) as written:
        large = np.asarray(written)
    assert large.dtype == np.uint16
    # In 8 bits the network does nearly the same; a step there is 8 counts.
    due = counts_of(upscale(session, scene)).astype(float)
    assert np.sqrt(np.mean((large - due) ** 2)) < 12


def test_counts_outside_the_span_are_not_clipped(session: Session, scene: np.ndarray) -> None:
    counts = counts_of(scene)
    counts[40:43, 50:53], counts[70:73, 20:23] = 60_000, 30  # fewer than one in a thousand
    large, flat = upscale(session, counts), bicubic_upscale(counts, 2)
    assert flat[80:86, 100:106].max() > 60_000
    assert flat[140:146, 40:46].min() < 30
    width = np.ptp(counts_of(scene)).astype(int)
    assert np.abs(large.astype(int) - flat).max() < width / 2
    far = np.s_[:60]  # where the network sees neither
    assert np.abs(large[far].astype(int) - upscale(session, counts_of(scene))[far]).max() < 40


def test_tiles_of_16_bits_equal_the_whole_image(session: Session, scene: np.ndarray) -> None:
    counts = counts_of(scene)
    assert np.array_equal(upscale(session, counts, window=40), upscale(session, counts))


def test_other_formats_convert_16_bits_to_8_with_a_note(session: Session, tmp_path: Path) -> None:
    Image.fromarray(counts_of(image(20, 20, 0))).save(tmp_path / "in.png")
    note = upscale_file(session, tmp_path / "in.png", tmp_path / "out.jpg").note
    assert note == "in.png: 16 bits became 8"


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_a_colour_profile_is_kept_or_its_loss_is_noted(
    session: Session, tmp_path: Path, suffix: str
) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    source, target = tmp_path / "in.png", tmp_path / f"out{suffix}"
    Image.fromarray(image(9, 8, 0, colour=True)).save(source, icc_profile=profile)
    note = upscale_file(session, source, target).note
    assert note == (None if suffix != ".bmp" else "in.png: its colour profile was left out")
    with Image.open(target) as picture:
        assert picture.info.get("icc_profile") == (profile if suffix != ".bmp" else None)
        picture.load()


def test_an_unreadable_image_leaves_no_file(session: Session, tmp_path: Path) -> None:
    source = tmp_path / "in.png"
    source.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    with pytest.raises(UserError, match=r"in\.png"):
        upscale_file(session, source, tmp_path / "out.png")
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_output(tmp_path: Path) -> None:
    height, width = 2448, 3264
    pixels, small = 3 * height * width, peak_memory(height // 3, width // 3, tmp_path)
    large = peak_memory(height, width, tmp_path)
    assert large <= pixels + 4 * pixels + 256e6
    assert large - small <= 4 * pixels / 2
