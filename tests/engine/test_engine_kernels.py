"""The sets of kernels for x86-64: which one runs, and shapes at the limits of tiles and vectors."""

import numpy as np
import pytest
from engine_runner import kernel_sets, run_plan
from random_frames import FrameWriter, Window
from random_models import RandomNetwork, Step
from tflm_oracle import noise, run_tflm

from edge_sr.engine import binding
from edge_sr.engine.frame_plan import make_frame_plan
from edge_sr.engine.plan import make_plan
from edge_sr.errors import UserError
from edge_sr.graph import read_graph, resize
from edge_sr.zoo import catalog

NETWORKS = {
    # More pixels than a tile holds, and blocks of 16, 8 and 4 outputs that are not full.
    "wide": RandomNetwork(
        height=3,
        width=211,
        channels=3,
        steps=(
            Step("CONV_2D", kernel=(3, 3), channels=29),
            Step("PRELU"),
            Step("CONV_2D", kernel=(1, 1), channels=3),
            Step("PRELU"),
            Step("CONV_2D", kernel=(1, 5), channels=7),
        ),
        seed=1,
    ),
    # More input channels than fit beside each other in a vector, and groups.
    "deep": RandomNetwork(
        height=3,
        width=30,
        channels=2,
        steps=(
            Step("CONV_2D", kernel=(1, 1), channels=40),
            Step("CONV_2D", kernel=(3, 3), channels=2),
            Step("CONV_2D", kernel=(1, 1), channels=36),
            Step("CONV_2D", kernel=(3, 2), channels=18, groups=2),
            Step("CONV_2D", kernel=(1, 1), channels=5),
        ),
        seed=2,
    ),
    # More taps than the fast kernels support.
    "large": RandomNetwork(
        height=4,
        width=20,
        channels=1,
        steps=(
            Step("CONV_2D", kernel=(1, 1), channels=40),
            Step("CONV_2D", kernel=(9, 9), channels=5),
        ),
        seed=3,
    ),
}

# Scales for which fast kernels fall back to plain C: factors of 1 and more, and very small ones.
NETWORKS |= {
    name: RandomNetwork(
        height=3,
        width=19,
        channels=3,
        steps=tuple(
            step
            for outputs in (18, 5, 2)
            for step in (
                Step("CONV_2D", kernel=(3, 3), channels=outputs, coarseness=coarseness),
                Step("PRELU"),
                Step("CONV_2D", kernel=(1, 1), channels=outputs, coarseness=1 / coarseness),
            )
        ),
        seed=4,
    )
    for name, coarseness in (("fine", 1 / 2000), ("coarse", 1000.0), ("coarser", 20000.0))
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("kernels", binding.KERNELS)
def test_networks_have_the_bits_of_tflm(kernels: str, name: str) -> None:
    skip_without(kernels)
    model, image = NETWORKS[name].write(), NETWORKS[name].image()
    plan = make_plan(read_graph(model))
    assert np.array_equal(run_plan(plan, image, kernels), run_tflm(model, image))


@pytest.mark.parametrize("part", ["encoder", "decoder"])
@pytest.mark.parametrize("kernels", binding.KERNELS)
def test_codec_parts_have_the_bits_of_tflm(kernels: str, part: str) -> None:
    skip_without(kernels)
    model = catalog.find("tinycompress-4").file("int8", part=part).read_bytes()
    image = np.repeat(noise(10, 230, 4), 3, axis=3)
    plan = make_plan(read_graph(model))
    assert np.array_equal(run_plan(plan, image, kernels), run_tflm(resize(model, 10, 230), image))


# The input's height, width and channels; window, outputs and groups of layers; dense outputs.
FRAMES = {
    # More pixels than a tile holds; several pixels in a vector; 16 and 8 lanes of one row.
    "wide": (
        (5, 263, 2),
        [
            (Window((3, 3), (2, 1)), 8, 1),
            (Window((3, 3)), 8, 8),
            (Window((3, 3), (1, 2)), 23, 1),
            (Window((1, 3), (1, 1), (1, 2)), 4, 1),
        ],
        0,
    ),
    # Short rows of many channels: two and four blocks at once, and a block that is not full.
    "deep": (
        (4, 13, 4),
        [
            (Window((3, 3)), 76, 1),
            (Window((3, 3), (1, 2)), 76, 76),
            (Window((1, 1)), 150, 1),
            (Window((2, 2), (2, 2), (2, 1)), 64, 2),
            (Window((3, 3), (1, 1), (1, 2)), 70, 1),
        ],
        21,
    ),
    # Several outputs of each input of a depthwise convolution; more rows than four.
    "multiplied": ((7, 9, 6), [(Window((5, 5), (2, 1)), 18, 6), (Window((6, 2)), 36, 18)], 0),
    # More taps than the fast kernels support.
    "large": (
        (3, 10, 2),
        [
            (Window((1, 1)), 160, 1),
            (Window((3, 3), (1, 1), (1, 40)), 20, 1),
            (Window((9, 90)), 20, 20),
            (Window((1, 1)), 300, 1),
        ],
        40,
    ),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frames_have_the_bits_of_tflm(name: str) -> None:
    (height, width, channels), layers, dense = FRAMES[name]
    for activation in ("NONE", "RELU"):
        writer = FrameWriter(height, width, channels, seed=7)
        image = writer.input
        for window, outputs, groups in layers:
            image = writer.window_conv(image, window, outputs, groups, activation)
        model = writer.finish(writer.dense(image, dense, activation) if dense else image)
        values = np.random.default_rng(1).integers(
            -128, 128, (1, height, width, channels), dtype=np.int8
        )
        plan = make_frame_plan(read_graph(model))
        expected = run_tflm(model, values).reshape(1, *plan.out_shape)
        assert len(np.unique(expected)) > 5
        for kernels in kernel_sets():
            assert np.array_equal(run_plan(plan, values, kernels), expected), kernels


def skip_without(kernels: str) -> None:
    if kernels not in kernel_sets():
        pytest.skip(f"this processor lacks {kernels}")


@pytest.mark.parametrize("kernels", binding.KERNELS)
def test_the_environment_limits_the_kernels(kernels: str, monkeypatch: pytest.MonkeyPatch) -> None:
    skip_without(kernels)
    monkeypatch.setenv(binding.LIMIT, kernels)
    assert binding.Engine(codec_plan(), 32).kernels == kernels


def test_the_best_kernels_run_unless_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(binding.LIMIT, raising=False)
    assert binding.Engine(codec_plan(), 32).kernels == kernel_sets()[-1]


def test_unknown_kernels_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(binding.LIMIT, "sse9")
    message = "unknown kernels EDGE_SR_KERNELS='sse9'; available: portable, avx2, avx512"
    with pytest.raises(UserError, match=message):
        binding.Engine(codec_plan(), 32)


def codec_plan() -> bytes:
    return make_plan(read_graph(catalog.find("tinycompress-4").file("int8", part="encoder"))).blob
