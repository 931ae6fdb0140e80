"""The pixels of a file, from docs/reference/tcz.md and TFLM only."""

import struct
from pathlib import Path

import numpy as np
import pytest
import reference
import skimage.data
from tflm_oracle import run_tflm

from edge_sr import graph
from edge_sr.codec import codec, opening

GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.mark.parametrize("rate", [4, 16])
@pytest.mark.parametrize("planes", [8, 3])
def test_an_int8_file_decodes_as_documented(rate: int, planes: int) -> None:
    folder = GOLDEN / f"tinycompress-{rate}"
    coding = opening.find(model=str(folder))
    pixels = skimage.data.astronaut()[100:141, 200:258]
    data = codec.compress(pixels, coding, planes)
    step = round(rate**0.5)
    height, width = -(-41 // step), -(-58 // step)
    samples = samples_of(data, planes, (3, height, width))
    model = graph.resize((folder / "decoder-int8.tflite").read_bytes(), height, width)
    output = graph.read_graph(model).output.quantization
    assert output is not None
    decoded = run_tflm(model, (samples - 128).astype(np.int8).transpose(1, 2, 0)[np.newaxis])
    shares = (decoded[0].astype(float) - output.zero_point[0]) * output.scale[0]
    expected = np.rint(255 * np.clip(shares, 0, 1))[:41, :58]
    assert np.array_equal(codec.decompress(data, coding).pixels, expected)


def samples_of(data: bytes, planes: int, shape: tuple[int, int, int]) -> np.ndarray:
    """Return the samples of a file, dropped bits replaced by the middle of their range."""
    segments, start = [], 44 + 8 * 3 + 8 * planes + 4
    for plane in range(planes):
        (size,) = struct.unpack_from("<I", data, 44 + 8 * 3 + 8 * plane)
        segments.append(data[start : start + size])
        start += size
    assert start == len(data)
    kept = reference.decode(segments, shape).astype(int)
    return kept | ((1 << (8 - planes)) >> 1)
