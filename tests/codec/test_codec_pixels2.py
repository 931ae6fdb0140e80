"""The pixels of a file of version 2, from docs/reference/tcz.md and TFLM only."""

from pathlib import Path

import learned_standins as standins
import numpy as np
import pytest
import reference2
import skimage.data
import tflite_factory
from tflm_oracle import run_tflm

from edge_sr import graph
from edge_sr.codec import codec, container2, learned, opening

PIXELS = skimage.data.astronaut()[100:141, 200:258]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return standins.write(tmp_path_factory.mktemp("learned") / "toy")


def decoder_of(folder: Path, log_gains: np.ndarray, place: float) -> bytes:
    """The int8 decoder with the first kernel that the page describes for a place."""
    model = tflite_factory.unpack((folder / "decoder-int8.tflite").read_bytes())
    tensors = model.subgraphs[0].tensors
    _, kernel, bias = (tensors[index] for index in model.subgraphs[0].operators[0].inputs)
    last = len(log_gains) - 1
    step = reference2.exp2(reference2.at(log_gains, last) - reference2.at(log_gains, place))
    weights = np.array(model.buffers[kernel.buffer].data, np.uint8).view(np.int8)
    weights = weights.reshape(kernel.shape).astype(float)
    biases = np.array(model.buffers[bias.buffer].data, np.uint8).view("<i4").astype(float)
    scale = np.array(kernel.quantization.scale, float)
    bias_scale = np.array(bias.quantization.scale, float)
    wide = weights * scale[:, None, None, None] * step
    new = (np.abs(wide).max((1, 2, 3)) / 127).astype(np.float32).astype(float)
    new[new == 0] = scale[new == 0]
    stored = np.clip(np.rint(wide / new[:, None, None, None]), -127, 127).astype(np.int8)
    counts = np.rint(biases * scale / new).astype("<i4")
    model.buffers[kernel.buffer].data = np.frombuffer(stored.tobytes(), np.uint8)
    model.buffers[bias.buffer].data = np.frombuffer(counts.tobytes(), np.uint8)
    kernel.quantization.scale = new.astype(np.float32)
    bias.quantization.scale = (bias_scale * new / scale).astype(np.float32)
    return tflite_factory.pack(model)


def decode(data: bytes, folder: Path) -> np.ndarray:
    """The pixels of the intact parts of a file, RGB."""
    arrays = reference2.read_arrays(folder / "context.safetensors")
    symbols, (width, height) = reference2.decode(data, arrays)
    place = int.from_bytes(data[20:22], "little") / 256
    model = decoder_of(folder, arrays["log_gains"], place)
    model = graph.resize(model, *symbols.shape[:2])
    output = graph.read_graph(model).output.quantization
    assert output is not None
    decoded = run_tflm(model, symbols.astype(np.int8)[np.newaxis])
    shares = (decoded[0].astype(float) - output.zero_point[0]) * output.scale[0]
    return np.rint(255 * np.clip(shares, 0, 1))[:height, :width]


@pytest.mark.parametrize("quality", [1.0, 5.0, 10.0])
def test_an_int8_file_decodes_as_documented(quality: float, folder: Path) -> None:
    ladder = opening.find_ladder(str(folder))
    data = learned.compress(PIXELS, ladder.at(quality))
    expected = decode(data, folder)
    assert np.array_equal(codec.decompress(data, ladder.codecs[0]).pixels, expected)


def test_salvage_decodes_the_rows_that_are_there(folder: Path) -> None:
    ladder = opening.find_ladder(str(folder))
    tall = np.concatenate([PIXELS] * 4)
    data = learned.compress(tall, ladder.at(4.0))[:-1]
    rows = container2.unpack(data, salvage=True).pixel_rows
    decoded = codec.decompress(data, ladder.codecs[0], salvage=True).pixels
    assert 0 < rows < len(tall) == len(decoded)
    assert np.array_equal(decoded[:rows], decode(data, folder))
    assert (decoded[rows:] == 128).all()


def test_a_gray_image_is_the_mean_of_the_decoders_colours(folder: Path) -> None:
    ladder = opening.find_ladder(str(folder))
    data = learned.compress(PIXELS[..., 0], ladder.at(7.0))
    expected = np.floor(decode(data, folder).sum(axis=2) / 3 + 0.5)
    assert np.array_equal(codec.decompress(data, ladder.codecs[0]).pixels, expected)
