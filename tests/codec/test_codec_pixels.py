"""A file's pixels, from what docs/reference/tcz.md says and TFLM alone."""

import struct
from pathlib import Path

import numpy as np
import pytest
import reference
import skimage.data
from tflm_oracle import run_tflm

from edge_sr import graph
from edge_sr.codec import codec, network

GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.mark.parametrize("rate", [4, 16])
@pytest.mark.parametrize("planes", [8, 3])
def test_an_int8_file_has_the_pixels_of_the_page(rate: int, planes: int) -> None:
    folder = GOLDEN / f"tinycompress-{rate}"
    coding = network.find(model=str(folder))
    pixels = skimage.data.astronaut()[100:141, 200:258]
    data = codec.compress(pixels, coding, planes)
    step = round(rate**0.5)
    height, width = -(-41 // step), -(-58 // step)
    samples = samples_of(data, planes, (3, height, width))
    model = graph.resize((folder / "decoder-int8.tflite").read_bytes(), height, width)
    output = graph.read_graph(model).output.quantization
    assert output is not None
    made = run_tflm(model, (samples - 128).astype(np.int8).transpose(1, 2, 0)[np.newaxis])
    shares = (made[0].astype(float) - output.zero_point[0]) * output.scale[0]
    expected = np.rint(255 * np.clip(shares, 0, 1))[:41, :58]
    assert np.array_equal(codec.decompress(data, coding).pixels, expected)


def samples_of(data: bytes, planes: int, shape: tuple[int, int, int]) -> np.ndarray:
    """A whole file's, the middle put in for what was dropped."""
    segments, start = [], 44 + 8 * 3 + 8 * planes + 4
    for plane in range(planes):
        (size,) = struct.unpack_from("<I", data, 44 + 8 * 3 + 8 * plane)
        segments.append(data[start : start + size])
        start += size
    assert start == len(data)
    kept = reference.decode(segments, shape).astype(int)
    return kept | ((1 << (8 - planes)) >> 1)
