"""Column strips give the bits of the whole frame, in C and in a session with several threads."""

import ctypes

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_models import RandomNetwork, networks
from tflm_oracle import noise, run_tflm

from edge_sr.engine import binding
from edge_sr.engine.plan import make_plan
from edge_sr.errors import UserError
from edge_sr.graph import read_graph, resize
from edge_sr.runtime.engine import EngineSession
from edge_sr.runtime.opening import open_session
from edge_sr.zoo import catalog


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(network=networks, share=st.floats(0, 1))
def test_strips_have_the_bits_of_the_whole_frame(network: RandomNetwork, share: float) -> None:
    model, image = network.write(), network.image()
    plan, expected = make_plan(read_graph(model)), run_tflm(model, image).view(np.int8)
    width = plan.pixels_per_unit * max(1, round(network.width / plan.pixels_per_unit * share))
    engine = binding.Engine(plan.blob, width)
    strips = engine.strips(network.width)
    step = width - 2 * -(-plan.halo // plan.pixels_per_unit) * plan.pixels_per_unit
    if width < network.width:
        assert strips == (0 if step <= 0 else 1 + -(-(network.width - width) // step))
    out = np.full(expected.shape, 77, np.int8)
    for index in range(strips):
        engine.run_strip(image[0], out[0], index)
    assert strips == 0 or np.array_equal(out, expected)
    with pytest.raises(UserError, match="cannot run at this width"):
        engine.run_strip(image[0], out[0], strips)


@settings(deadline=None)
@given(
    width=st.integers(1, 60),
    frame=st.integers(1, 400),
    halo=st.integers(0, 20),
    step=st.integers(1, 4),
    scale=st.integers(1, 4),
)
def test_kept_columns_cover_the_frame_without_gaps(
    width: int, frame: int, halo: int, step: int, scale: int
) -> None:
    esr = binding.load()
    info = binding.Info(width * step, 1, width * step * scale, 1, scale, 1, step, halo, 0)
    strip, done = binding.Strip(), 0
    count = esr.esr_strip_count(ctypes.byref(info), frame * step)
    for index in range(count):
        assert esr.esr_find_strip(ctypes.byref(info), frame * step, index, ctypes.byref(strip)) == 0
        assert strip.offset == done
        assert strip.start % step == 0
        assert strip.start + width * step <= frame * step
        assert strip.start * scale + strip.drop == strip.offset
        # A kept pixel is at least a halo away from each edge of the strip inside the frame.
        assert strip.start == 0 or strip.drop >= halo * scale
        end = strip.start + width * step
        assert end == frame * step or strip.offset + strip.keep <= (end - halo) * scale
        done += strip.keep
    assert count == 0 or done == frame * step * scale
    assert (count == 0) == (frame < width or (frame > width and width <= 2 * -(-halo // step)))


@pytest.mark.parametrize("threads", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("size", [(1, 1), (3, 8), (5, 21), (4, 150)])
@pytest.mark.parametrize("scale", [2, 4])
def test_threads_do_not_change_the_bits(threads: int, size: tuple[int, int], scale: int) -> None:
    path = catalog.find(f"tinypssr-anchor-x{scale}").file("int8", ".tflite")
    image = noise(*size, seed=threads)
    expected = run_tflm(resize(path.read_bytes(), *size), image)
    assert np.array_equal(open_session(path, "engine", threads).run(image), expected)


def test_a_session_gives_each_thread_a_strip() -> None:
    path = catalog.find("tinypssr-x2").file("int8", ".tflite")
    session = open_session(path, "engine", threads=4)
    assert isinstance(session, EngineSession)
    session.run(noise(2, 200, 0))
    assert len(session._engines) == 4
    assert session._engines[0].info.in_width == (200 - 8) // 4 + 8


def test_a_float_model_is_refused() -> None:
    path = catalog.find("tinypssr-x2").file("float32", ".tflite")
    with pytest.raises(UserError, match="is float32, not int8"):
        open_session(path, "engine")
