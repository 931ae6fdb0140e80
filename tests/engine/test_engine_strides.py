"""Parts with strides have the bits of TFLM at each image size, on any number of threads."""

import numpy as np
import pytest
from tflite_factory import TfliteWriter, Value
from tflm_oracle import run_tflm

from edge_sr import graph
from edge_sr.errors import UserError
from edge_sr.runtime.engine import EngineSession
from edge_sr.runtime.opening import open_part


def _unit(writer: TfliteWriter, image: Value) -> Value:
    channels = image.shape[3]
    inner = writer.prelu(writer.conv(image, channels, 3))
    return writer.add(image, writer.conv(inner, channels, 3))


def encoder(latents: int) -> bytes:
    """A small compressive autoencoder's encoder, with odd numbers of channels."""
    writer = TfliteWriter(32, 32, 3, seed=latents)
    features = writer.prelu(writer.conv(writer.input, 5, 5, stride=2))
    features = _unit(writer, writer.prelu(writer.conv(features, 9, 5, stride=2)))
    return writer.finish(writer.conv(features, latents, 5, stride=2))


def decoder(latents: int) -> bytes:
    """The decoder of such latents."""
    writer = TfliteWriter(4, 4, latents, seed=latents)
    features = writer.prelu(writer.depth_to_space(writer.conv(writer.input, 36, 3), 2))
    features = writer.prelu(writer.depth_to_space(writer.conv(_unit(writer, features), 20, 3), 2))
    return writer.finish(writer.depth_to_space(writer.conv(features, 12, 3), 2))


@pytest.mark.parametrize("latents", [1, 7, 48])
@pytest.mark.parametrize("part", [encoder, decoder])
def test_any_size_and_number_of_threads_has_the_bits_of_tflm(part, latents: int) -> None:
    model, step = part(latents), 8 if part is encoder else 1
    sessions = [open_part(model, threads, latents=None) for threads in (1, 3)]
    channels = sessions[0].channels
    assert {channels, sessions[0].out_channels} == {3, latents}
    for height, width in ((1, 1), (3, 2), (5, 31)):
        size = height * step, width * step
        rng = np.random.default_rng(width)
        image = rng.integers(-128, 128, (1, *size, channels), dtype=np.int8)
        expected = run_tflm(graph.resize(model, *size), image)
        for session in sessions:
            assert isinstance(session, EngineSession)
            assert np.array_equal(session.run(image), expected)
    assert len(sessions[1].arenas) == 3


def test_other_latents_than_expected_are_refused() -> None:
    assert open_part(encoder(3)).out_channels == 3
    with pytest.raises(UserError, match=r"output is \(1, 4, 4, 7\); \(1,H,W,3\) is needed"):
        open_part(encoder(7))
    with pytest.raises(UserError, match=r"input is \(1, 4, 4, 7\); \(1,H,W,48\) is needed"):
        open_part(decoder(7), latents=48)
