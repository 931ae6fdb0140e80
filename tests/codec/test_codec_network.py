"""The networks of a codec, against TensorFlow Lite Micro and LiteRT called without our code."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st
from tflm_oracle import run_tflm

from edge_sr import graph
from edge_sr.codec import network, opening
from edge_sr.codec.network import Network
from edge_sr.codec.quantizer import Kind, Quantizer
from edge_sr.errors import UserError
from edge_sr.runtime import tiles
from edge_sr.runtime.session import TensorSpec
from edge_sr.zoo import catalog
from edge_sr.zoo.catalog import Entry

FOLDER = Path(__file__).parent.parent / "golden"
SIZES = [(1, 1), (8, 8), (13, 30), (33, 18), (6, 250)]
PHOTOGRAPH = skimage.data.astronaut()


def part(rate: int, name: str) -> bytes:
    return (FOLDER / f"tinycompress-{rate}" / f"{name}.tflite").read_bytes()


def opened(rate: int, kind: str, threads: int = 1) -> Network:
    parts = (part(rate, f"{name}-{kind}") for name in ("encoder", "decoder"))
    return opening.open_parts(*parts, "tc", threads=threads)


def crop(height: int, width: int) -> np.ndarray:
    return PHOTOGRAPH[60 : 60 + height, 200 : 200 + width]


def padded(pixels: np.ndarray, rate: int) -> np.ndarray:
    """Return pixels padded to multiples by edge replication."""
    step = int(rate**0.5)
    rows, columns = (np.arange(-(-side // step) * step) for side in pixels.shape[:2])
    rows, columns = rows.clip(max=pixels.shape[0] - 1), columns.clip(max=pixels.shape[1] - 1)
    return pixels[rows][:, columns]


def in_tflm(model: bytes, image: np.ndarray) -> np.ndarray:
    return run_tflm(graph.resize(model, *image.shape[:2]), image[np.newaxis])[0]


def in_litert(model: bytes, image: np.ndarray) -> np.ndarray:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=graph.resize(model, *image.shape[:2]))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[np.newaxis])
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("rate", [4, 16])
def test_int8_is_bit_identical_to_tflm(rate: int, size: tuple[int, int], threads: int) -> None:
    codec, pixels = opened(rate, "int8", threads), crop(*size)
    image = (padded(pixels, rate).astype(np.int16) - 128).astype(np.int8)
    latents = in_tflm(part(rate, "encoder-int8"), image)
    samples, quantizer = codec.encode(pixels)
    assert np.array_equal(samples.transpose(1, 2, 0), latents.astype(np.int16) + 128)
    assert quantizer == Quantizer(Kind.CLIPPING, (0.0,) * 3, (1.0,) * 3)
    back = in_tflm(part(rate, "decoder-int8"), latents)
    # TFLM's logistic has 256 steps from 0 to 1.
    expected = np.rint((back.astype(np.float64) + 128) / 256 * 255)[: size[0], : size[1]]
    assert np.array_equal(codec.decode(quantizer.restore(samples), *size), expected)


@pytest.mark.parametrize("rate", [4, 16])
def test_float32_equals_litert(rate: int) -> None:
    codec, pixels = opened(rate, "float32"), crop(21, 38)
    image = padded(pixels, rate).astype(np.float32) / np.float32(255)
    latents = in_litert(part(rate, "encoder-float32"), image)
    assert np.allclose(codec.latents(pixels).transpose(1, 2, 0), latents, atol=1e-5)
    back = in_litert(part(rate, "decoder-float32"), latents)[:21, :38]
    made = codec.decode(latents.transpose(2, 0, 1), 21, 38)
    assert np.abs(made - back * 255).max() <= 0.5 + 1e-3


def test_float32_gives_the_same_bytes_twice() -> None:
    pixels = crop(50, 70)
    first, second = (opened(16, "float32") for _ in range(2))
    latents = first.latents(pixels)
    assert np.array_equal(latents, first.latents(pixels))
    assert np.array_equal(latents, second.latents(pixels))
    images = [codec.decode(latents, 50, 70) for codec in (first, first, second)]
    assert np.array_equal(images[0], images[1])
    assert np.array_equal(images[0], images[2])


@pytest.mark.parametrize("rate", [4, 16])
def test_windows_equal_the_whole_image(rate: int, monkeypatch: pytest.MonkeyPatch) -> None:
    codec, pixels = opened(rate, "float32"), crop(140, 200)
    whole = codec.latents(pixels)
    image = codec.decode(whole, 140, 200)
    monkeypatch.setattr(tiles, "TILE", 32)
    assert np.allclose(codec.latents(pixels), whole, atol=1e-5)
    assert np.abs(codec.decode(whole, 140, 200).astype(int) - image).max() <= 1


def test_int8_latents_are_the_values_of_their_samples() -> None:
    codec, pixels = opened(4, "int8"), crop(9, 9)
    samples, quantizer = codec.encode(pixels)
    assert np.array_equal(codec.latents(pixels), quantizer.restore(samples))
    assert np.allclose(codec.latents(pixels), samples / 255)


@given(scale=st.floats(1e-4, 10), zero_point=st.integers(-128, 127))
def test_every_int8_value_is_restored_from_a_file(scale: float, zero_point: int) -> None:
    spec = TensorSpec("int8", float(np.float32(scale)), zero_point)
    samples = np.arange(768, dtype=np.uint8).reshape(3, 16, 16)
    back = network._to_input(network._full_range(spec).restore(samples), spec)
    assert np.array_equal(back.transpose(2, 0, 1), samples.astype(np.int16) - 128)


def test_normalizing_is_for_float32() -> None:
    latents = opened(4, "float32").latents(crop(8, 8))
    _, quantizer = opened(4, "float32").encode(crop(8, 8), Kind.NORMALIZATION)
    assert quantizer.low == tuple(latents.min((1, 2)).tolist())
    with pytest.raises(UserError, match="use --float32"):
        opened(4, "int8").encode(crop(8, 8), Kind.NORMALIZATION)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 4)])
def test_pixels_of_another_kind_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"pixels must be uint8 \(H, W, 3\)"):
        opened(4, "int8").encode(np.zeros(shape, np.uint8))


def test_latents_of_another_size_are_refused() -> None:
    with pytest.raises(UserError, match=r"this image needs \(3, 3, 5\)"):
        opened(4, "int8").decode(np.zeros((3, 3, 4), np.float32), 5, 9)


def test_latents_far_from_any_image_are_refused_or_clipped() -> None:
    far = np.full((3, 2, 2), np.finfo(np.float32).max, np.float32)
    with pytest.raises(UserError, match="are not those of an image"):
        opened(4, "float32").decode(far, 4, 4)
    assert opened(4, "int8").decode(far, 4, 4).shape == (4, 4, 3)


def test_the_hash_is_that_of_the_decoder_file() -> None:
    digest = hashlib.sha256(part(16, "decoder-int8")).digest()
    assert opened(16, "int8").hash == digest[:8]


def test_a_decoder_alone_can_only_decompress() -> None:
    codec = opening.open_parts(None, part(4, "decoder-int8"), "tc")
    with pytest.raises(UserError, match="tc has no encoder here"):
        codec.encode(crop(8, 8))


@pytest.mark.parametrize(
    ("encoder", "decoder", "words"),
    [
        ((4, "encoder-int8"), (16, "decoder-int8"), "do not fit each other"),
        ((4, "encoder-int8"), (4, "decoder-float32"), "do not fit each other"),
        ((4, "decoder-int8"), (4, "encoder-int8"), "may be an encoder"),
    ],
)
def test_parts_of_different_codecs_are_refused(
    encoder: tuple[int, str], decoder: tuple[int, str], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        opening.open_parts(part(*encoder), part(*decoder), "tc")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the decoder: the model is not a usable .tflite"),
        (part(4, "decoder-int8")[:900], "the decoder: the model is not a usable .tflite"),
        (
            catalog.find("tinypssr-x2").file("int8", ".tflite").read_bytes(),
            r"\(1,H,W,3\) is needed",
        ),
    ],
    ids=["empty", "cut", "super-resolution"],
)
def test_files_that_are_not_parts_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(UserError, match=words):
        opening.open_parts(None, data, "tc")


def test_impossible_thread_counts_are_refused() -> None:
    with pytest.raises(UserError, match="1 to 64 threads, not 0"):
        opened(4, "int8", 0)


def test_shipped_codecs_are_found(stand_ins: Path) -> None:
    found = [
        (codec.id, codec.rate, codec.is_int8)
        for codec in (
            opening.find(),
            opening.find(4, int8=False),
            opening.find(model="tinycompress-4"),
            opening.find(model="4"),
            opening.find(16, model=str(stand_ins / "tinycompress-16")),
        )
    ]
    four, sixteen = ("tc-4-int8", 4, True), ("tc-16-int8", 16, True)
    assert found == [sixteen, ("tc-4", 4, False), four, four, sixteen]


@pytest.mark.parametrize(
    ("rate", "model", "words"),
    [
        (5, None, "no rate 5; available: 4, 16, 64, 256"),
        (
            64,
            None,
            "edge-sr has no weights of tinycompress-64; available: tinycompress-4, tinycompress-16",
        ),
        (None, "none", "unknown network 'none'; available: .*, or name a folder of that layout"),
        (16, "tinycompress-4", "tinycompress-4 has rate 4, not 16"),
        (None, str(FOLDER), "is a folder without a network"),
    ],
)
def test_unknown_codecs_are_refused(
    stand_ins: Path, rate: int | None, model: str | None, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        opening.find(rate, model=model)


def test_a_folder_can_be_given(
    stand_ins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(stand_ins / "tinycompress-4", tmp_path / "mine")
    (tmp_path / "tinycompress-4").mkdir()
    monkeypatch.chdir(tmp_path)
    mine = opening.find(model="mine")
    assert (mine.id, mine.rate, mine.hash) == ("mine-int8", 4, opening.find(4).hash)
    # A shipped name means the shipped codec wherever one stands.
    assert opening.find(model="tinycompress-4").id == "tc-4-int8"


def test_ids_fit_into_a_file() -> None:
    names = ("tinycompress-256", "tinycompress-rd", "a folder with a long name", "größe")
    ids = [opening._id(Entry(Path(name)), kind) for name in names for kind in ("int8", "float32")]
    assert ids[:4] == ["tc-256-int8", "tc-256", "tc-rd-int8", "tc-rd"]
    assert ids[4:] == ["a folder wi-int8", "a folder with a ", "gr__e-int8", "gr__e"]


def test_a_codec_without_int8_is_refused():
    with pytest.raises(UserError, match="no int8 networks; use --float32"):
        opening.find(model="tinycompress-rd")
    assert not opening.find(model="tinycompress-rd", int8=False).is_int8
