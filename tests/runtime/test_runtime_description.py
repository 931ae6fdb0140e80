"""Descriptions of hostile files: a description or a refusal, and never any other exception."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tflite_factory import Network

from edge_sr.errors import UserError
from edge_sr.graph import read_graph
from edge_sr.graph.outline import read_outline
from edge_sr.runtime import description, probe
from edge_sr.runtime.obstacles import engine_obstacles

NETWORK = Network(((4, 3),), stages=1, anchored=True, activation="NONE", seed=1)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=300, deadline=None)
def test_damaged_files_are_described_or_refused(seed: int) -> None:
    source = random.Random(seed)
    data = bytearray(NETWORK.write(5, 4))
    for _ in range(source.randint(1, 4)):
        place = source.randrange(len(data)) & ~3
        word = source.choice([source.getrandbits(32), 0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
        data[place : place + 4] = word.to_bytes(4, "little")[: len(data) - place]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "obstacle", lambda runtime, model: "")
        try:
            description.describe_tflite(bytes(data))
        except UserError:
            return


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_noise_has_no_outline(data: bytes) -> None:
    for start in (b"", b"\x14\x00\x00\x00TFL3"):
        try:
            read_outline(start + data)
        except UserError:
            continue


def test_an_outline_has_what_the_graph_has() -> None:
    data = NETWORK.write(5, 4)
    network, outline = read_graph(data), read_outline(data).graph
    assert [(t.name, t.shape, t.dtype) for t in outline.tensors] == [
        (t.name, t.shape, t.dtype) for t in network.tensors
    ]
    assert [(o.name, o.inputs, o.outputs) for o in outline.operators] == [
        (o.name, o.inputs, o.outputs) for o in network.operators
    ]
    assert engine_obstacles(network) == []


@pytest.mark.parametrize("runtime", ["litert", "tflm"])
def test_a_runtime_that_ends_abnormally_is_an_obstacle(runtime: str) -> None:
    assert probe.obstacle(runtime, b"not a model at all") != ""
    assert probe.obstacle(runtime, NETWORK.write(5, 4)) == ""
