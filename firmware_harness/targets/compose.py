"""Compose a library: a network with its runtime, an example frame and the output it must give."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_sr import graph
from edge_sr.engine.plan import make_plan
from edge_sr.errors import require
from edge_sr.runtime.arena import arena_bytes, host_abi
from firmware_harness import fit, oracle
from firmware_harness.frames import frame_height
from firmware_harness.targets import example, library
from firmware_harness.targets.content import Content, identifier
from firmware_harness.targets.streaming import streaming
from firmware_harness.targets.tflm import Artifact, tflm

WriteC = Callable[[bytes, str], tuple[str, str]]
"""Return the header and the source that hold a .tflite as a C array of the given name."""


@dataclass(frozen=True)
class Request:
    """What a library is made from.

    Attributes:
        name: of the network, for people.
        model: an int8 .tflite of a super-resolution network.
        width: of the example's frame, in pixels.
        height: of the example's frame; None: that of a 4:3 frame.
        ram: RAM budget in bytes; None: no limit.
    """

    name: str
    model: bytes
    width: int
    height: int | None
    ram: int | None


@dataclass(frozen=True)
class Library:
    """What a library project is written from.

    Attributes:
        content: the network and its runtime.
        frame: the example's, (H, W, C) int8.
        output: the network's output for it, (H', W', C') int8.
        computed_by: names the runtimes that computed the output.
    """

    content: Content
    frame: np.ndarray
    output: np.ndarray
    computed_by: str


def streaming_library(request: Request) -> Library:
    """Compose a library with the streaming engine.

    Raises:
        UserError: the engine does not run the network at this size, or the budget is too small.
        VerificationError: the engine's output differs from TFLM's.
    """
    network = graph.read_graph(request.model)
    plan = make_plan(network)
    content = streaming(network, plan, request.name, request.width)
    if request.ram is not None:
        widest = fit.widest_within(plan, request.ram)
        advice = f"it fits up to a width of {widest}" if widest else "it fits at no width"
        what = f"{request.name} at width {request.width}"
        library.check_ram(content, what, request.ram, advice)
    height = request.height
    if height is None:
        height = frame_height(request.width, plan.pixels_per_unit)
    frame = example.built_in_frame(height, request.width, network.input.shape[3])
    output = oracle.engine_output(plan, frame)
    return Library(content, frame, output, _compare_with_tflm(request.model, frame, output))


def _compare_with_tflm(model: bytes, frame: np.ndarray, output: np.ndarray) -> str:
    """Compare the engine's output with TFLM's where possible; return who computed it."""
    if importlib.util.find_spec("tflite_micro") is None:
        return "the engine; not checked with TFLM: tflite-micro is not installed"
    if not oracle.is_feasible(model, *frame.shape[:2]):
        return "the engine; not checked with TFLM: the frame is too large"
    oracle.check(output.ravel(), oracle.tflm_output(model, frame))
    return "the engine and TFLM"


def tflm_library(request: Request, write_c: WriteC) -> Library:
    """Compose a library for an application that has TensorFlow Lite Micro.

    Raises:
        UserError: the tflm extra is missing, the frame cannot be built in, or the budget is too
            small.
        VerificationError: TFLM cannot run the network.
    """
    require("tflite_micro", "tflm")
    width = request.width
    height = frame_height(width) if request.height is None else request.height
    channels = graph.read_graph(request.model).input.shape[3]
    frame = example.built_in_frame(height, width, channels)
    resized = graph.resize(request.model, height, width)
    header, source = write_c(resized, identifier(request.name))
    artifact = Artifact(header, source, arena_bytes(resized), host_abi())
    content = tflm(graph.read_graph(resized), request.name, artifact)
    if request.ram is not None:
        advice = "a smaller --width or --height needs less, and so does --engine streaming"
        library.check_ram(content, f"{request.name} at {width}x{height}", request.ram, advice)
    return Library(content, frame, oracle.tflm_output(request.model, frame), "TFLM")
