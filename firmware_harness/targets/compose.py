"""Compose a library: a network with its runtime, an example input and the output it must give."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from edge_sr import graph
from edge_sr.engine.frame_plan import FramePlan
from edge_sr.engine.weights import Weights
from edge_sr.errors import UserError, require
from edge_sr.runtime.arena import arena_bytes, host_abi
from edge_sr.runtime.obstacles import check_integer, plan_of
from firmware_harness import fit, oracle
from firmware_harness.frames import at_size, frame_height, round_up
from firmware_harness.targets import content, example, library
from firmware_harness.targets.content import Content, identifier, is_classifier
from firmware_harness.targets.example import Example
from firmware_harness.targets.streaming import one_size, streaming
from firmware_harness.targets.tflm import Artifact, tflm

WIDTH = 64
"""The width in pixels of an example's frame, unless another is given."""

WriteC = Callable[[bytes, str], tuple[str, str]]
"""Return the header and the source that hold a .tflite as a C array of the given name."""


@dataclass(frozen=True)
class Request:
    """What a library is made from.

    Attributes:
        name: of the network, for people.
        model: an int8 .tflite.
        width: of the example's frame, in pixels; None: about `WIDTH`.
        height: of the example's frame; None: that of a 4:3 frame.
        ram: RAM budget in bytes; None: no limit.
        weights: of a network of one size in the engine.
    """

    name: str
    model: bytes
    width: int | None
    height: int | None
    ram: int | None
    weights: Weights = Weights.AUTO


@dataclass(frozen=True)
class Library:
    """What a library project is written from.

    Attributes:
        content: the network and its runtime.
        example: what its example runs.
        computed_by: names the runtimes that computed the output.
    """

    content: Content
    example: Example
    computed_by: str


def streaming_library(request: Request) -> Library:
    """Compose a library with edge-sr's engine.

    Raises:
        UserError: the engine does not run the network at this size, it shrinks frames of any size,
            or the budget is too small.
        VerificationError: the engine's output differs from TFLM's.
    """
    network = graph.read_graph(request.model)
    check_integer(network)
    model = at_size(request.model, request.width, request.height)
    if model != request.model:
        request, network = replace(request, model=model), graph.read_graph(model)
    try:
        plan = plan_of(network, request.weights)
    except UserError as error:
        raise UserError(f"{error}; --engine tflm writes what TFLM runs") from None
    if isinstance(plan, FramePlan):
        return _one_size_library(request, network, plan)
    graph.scale(network)
    width = round_up(WIDTH, plan.pixels_per_unit) if request.width is None else request.width
    made = streaming(network, plan, request.name, width)
    if request.ram is not None:
        widest = fit.widest_within(plan, request.ram)
        advice = f"it fits up to a width of {widest}" if widest else "it fits at no width"
        what = f"{request.name} at width {width}"
        library.check_ram(made, what, request.ram, advice)
    height = request.height
    if height is None:
        height = frame_height(width, plan.pixels_per_unit)
    frame = example.built_in_frame(height, width, network.input.shape[3])
    output = oracle.engine_output(plan, frame)
    computed_by = _compare_with_tflm(request.model, frame, output)
    return Library(made, example.frame_example(frame, output), computed_by)


def _one_size_library(request: Request, network: graph.Graph, plan: FramePlan) -> Library:
    """Compose a library of a network that takes frames of one size."""
    height, width, channels = plan.in_shape
    made = one_size(network, plan, request.name)
    if request.ram is not None:
        library.check_ram(made, request.name, request.ram, "a smaller network needs less")
    frame = example.built_in_frame(height, width, channels)
    output = oracle.engine_output(plan, frame)
    computed_by = "the engine; not checked with TFLM: tflite-micro is not installed"
    if importlib.util.find_spec("tflite_micro") is not None:
        expected, source = oracle.reference_outputs(request.model, plan, frame)
        oracle.check(output.ravel(), expected[0])
        computed_by = "the engine and TFLM" if source == oracle.TFLM else source
    kind = example.classifier_example if is_classifier(plan) else example.map_example
    return Library(made, kind(frame, output), computed_by)


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

    An upscaler is resized to the example's frame. Any other network keeps its own size, unless a
    width or height is requested or the file leaves them open.

    Raises:
        UserError: the tflm extra is missing, the network is not integer, it cannot have the
            requested size, the input cannot be built in, or the RAM budget is too small.
        VerificationError: TFLM cannot run the network.
    """
    require("tflite_micro", "tflm")
    network = graph.read_graph(request.model)
    check_integer(network)
    if _is_upscaler(network, request):
        return _upscaler_library(request, network, write_c)
    return _tensors_library(request, network, write_c)


def _frame_size(request: Request) -> tuple[int, int]:
    """Height and width of the example's frame."""
    width = WIDTH if request.width is None else request.width
    return frame_height(width) if request.height is None else request.height, width


def _is_upscaler(network: graph.Graph, request: Request) -> bool:
    """Whether the network upscales a frame; one that cannot be resized keeps its own size."""
    if not content.upscales(network):
        return False
    try:
        resized = graph.resize(request.model, frame_height(WIDTH), WIDTH)
    except UserError:
        return _has_size(request)
    return content.upscales(graph.read_graph(resized))


def _has_size(request: Request) -> bool:
    return request.width is not None or request.height is not None


def _upscaler_library(request: Request, network: graph.Graph, write_c: WriteC) -> Library:
    height, width = _frame_size(request)
    frame = example.built_in_frame(height, width, network.input.shape[3])
    made = _tflm_content(request, graph.resize(request.model, height, width), write_c)
    if request.ram is not None:
        advice = "a smaller --width or --height needs less, and so does --engine streaming"
        library.check_ram(made, f"{request.name} at {width}x{height}", request.ram, advice)
    output = oracle.tflm_output(request.model, frame)
    return Library(made, example.frame_example(frame, output), "TFLM")


def _tensors_library(request: Request, network: graph.Graph, write_c: WriteC) -> Library:
    model = request.model
    is_open = any({1, 2} & set(network.tensors[index].open_axes) for index in network.inputs)
    if _has_size(request) or is_open:
        model = graph.resize(model, *_frame_size(request))
        network = graph.read_graph(model)
    inputs = example.noise([network.tensors[index] for index in network.inputs])
    made = _tflm_content(request, model, write_c)
    if request.ram is not None:
        library.check_ram(made, request.name, request.ram, "a smaller network needs less")
    outputs = oracle.tflm_outputs(model, inputs, len(network.outputs))
    return Library(made, example.tensors_example(inputs, outputs), "TFLM")


def _tflm_content(request: Request, model: bytes, write_c: WriteC) -> Content:
    header, source = write_c(model, identifier(request.name))
    artifact = Artifact(header, source, arena_bytes(model), host_abi())
    return tflm(graph.read_graph(model), request.name, artifact)
