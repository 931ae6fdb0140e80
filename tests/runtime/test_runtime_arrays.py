"""Networks of any kind in each runtime: arrays in, arrays out."""

import numpy as np
import pytest
from random_frames import FrameWriter, Window
from random_models import EngineWriter
from tflm_oracle import run_tflm

from edge_sr.errors import UserError
from edge_sr.runtime.arrays import ArraySpec, read_arrays
from edge_sr.runtime.engine import EngineArrays
from edge_sr.runtime.litert import LiteRTArrays
from edge_sr.runtime.tflm import TFLMArrays


def streaming() -> bytes:
    """A network of uint8 that runs on frames of any size."""
    writer = EngineWriter(9, 7, 1, 4)
    return writer.finish(writer.uint8_output(writer.conv(writer.uint8_input(), 3, 3)))


def of_one_size() -> bytes:
    """A network of uint8 that runs at its own size."""
    writer = FrameWriter(9, 7, 1, 4)
    image = writer.window_conv(writer.uint8_input(), Window(stride=(2, 2)), 3, 1, "NONE")
    return writer.finish(writer.uint8_output(image))


@pytest.mark.parametrize("model", [streaming(), of_one_size()])
def test_all_runtimes_give_the_bits_of_tflm(model: bytes) -> None:
    values = np.random.default_rng(1).integers(0, 256, (1, 9, 7, 1), np.uint8)
    assert read_arrays(model).inputs == (ArraySpec("uint8", (1, 9, 7, 1)),)
    expected = run_tflm(model, values)
    for opened in (EngineArrays(model), TFLMArrays(model)):
        (output,) = opened.run([values])
        assert output.dtype == np.uint8
        assert np.array_equal(output, expected), opened.runtime
    (output,) = LiteRTArrays(model).run([values])
    assert np.abs(output.astype(int) - expected).max() <= 1


def test_arrays_of_another_shape_are_one_sentence() -> None:
    model = of_one_size()
    engines = EngineArrays(streaming()), EngineArrays(model)
    for opened in (*engines, TFLMArrays(model), LiteRTArrays(model)):
        with pytest.raises(UserError) as caught:
            opened.run([np.zeros((1, 9, 7, 2), np.uint8)])
        assert "\n" not in str(caught.value)
