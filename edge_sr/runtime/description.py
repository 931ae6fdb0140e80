"""Describes a .tflite of any kind: its ends, its costs, and which runtimes and commands take it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from edge_sr import graph
from edge_sr.engine.frame_plan import make_frame_plan
from edge_sr.engine.plan import make_plan
from edge_sr.engine.weights import Weights
from edge_sr.errors import UserError
from edge_sr.graph.outline import read_outline
from edge_sr.runtime import probe
from edge_sr.runtime.obstacles import (
    check_integer,
    engine_obstacles,
    spec_of,
    upscaler_obstacles,
)
from edge_sr.runtime.pixels import pixel_range
from edge_sr.runtime.tflite_interface import read_classifier


@dataclass(frozen=True)
class Door:
    """A runtime or a command.

    Attributes:
        name: of the runtime or the command.
        takes: whether it takes the network: "yes", "no", or how or with which RAM.
        obstacles: why not.
    """

    name: str
    takes: str
    obstacles: tuple[str, ...]


@dataclass(frozen=True)
class Description:
    """A network for people.

    Attributes:
        summary: one line.
        facts: names and values.
        doors: the runtimes and commands.
    """

    summary: str
    facts: tuple[tuple[str, str], ...]
    doors: tuple[Door, ...]


def describe_tflite(data: bytes) -> Description:
    """Describe a .tflite.

    Raises:
        UserError: the file is not a .tflite, or it is so damaged that nothing can be said.
    """
    try:
        network, problem = graph.read_graph(data), ""
        subgraphs = 1
    except UserError as error:
        outline = read_outline(data)
        network, subgraphs, problem = outline.graph, outline.subgraphs, str(error)
    macs = graph.macs(network)
    facts = [(f"input {i}", _end(network.tensors[i])) for i in network.inputs]
    facts += [(f"output {i}", _end(network.tensors[i])) for i in network.outputs]
    facts += [
        ("parameters", f"{graph.parameters(network):,}"),
        ("MACs", _macs_text(network, macs)),
        ("operators", count_text(operator.name for operator in network.operators)),
    ]
    if subgraphs > 1:
        facts.append(("subgraphs", f"{subgraphs}; the first is described"))
    ends = [
        ", ".join(f"{network.tensors[i].dtype} {shape_text(network.tensors[i])}" for i in indices)
        for indices in (network.inputs, network.outputs)
    ]
    summary = (
        f"{ends[0]} to {ends[1]}, {graph.parameters(network):,} parameters, {macs:,} MACs, "
        f"{len(network.operators)} operators"
    )
    return Description(summary, tuple(facts), tuple(_doors(data, network, problem)))


def count_text(names: Iterable[str]) -> str:
    """Return names with their counts, the most frequent first: "3 CONV_2D, 1 ADD"."""
    return ", ".join(f"{count} {name}" for name, count in Counter(names).most_common()) or "none"


def shape_text(tensor: graph.Tensor) -> str:
    """Return a shape such as 1x?x?x3, where the sizes that the file leaves open are "?"."""
    sizes = ("?" if axis in tensor.open_axes else str(n) for axis, n in enumerate(tensor.shape))
    return "x".join(sizes) or "scalar"


def _macs_text(network: graph.Graph, macs: int) -> str:
    """MACs of one input; where its size is open, at the size that stands for it."""
    tensors = [network.tensors[index] for index in network.inputs]
    sized = [tensor for tensor in tensors if len(tensor.shape) == 4]
    if len(tensors) != 1 or not sized or min(tensors[0].shape) < 1:
        return f"{macs:,}"
    _, height, width, _ = tensors[0].shape
    at = f" at {width}x{height}" if {1, 2} & set(tensors[0].open_axes) else ""
    return f"{macs:,}{at}, {macs / (height * width):,.6g} per input pixel"


def _end(tensor: graph.Tensor) -> str:
    parts = [f"{tensor.name!r}", f"{tensor.dtype} {shape_text(tensor)}"]
    quantization = tensor.quantization
    if quantization is not None and len(quantization.scale) == 1:
        parts.append(f"scale {quantization.scale[0]:.6g}")
        parts.append(f"zero point {quantization.zero_point[0]}")
    return ", ".join([*parts, *_values(tensor)])


def _values(tensor: graph.Tensor) -> list[str]:
    spec = spec_of(tensor)
    is_image = len(tensor.shape) == 4 and tensor.shape[3] in (1, 3)
    if spec is None:
        return []
    if spec.dtype == "float32":
        return ["the file does not state the range of pixels"] if is_image else []
    lowest, highest = (-128, 127) if spec.dtype == "int8" else (0, 255)
    low, high = ((stored - spec.zero_point) * spec.scale for stored in (lowest, highest))
    values = f"values {low:.4g} to {high:.4g}"
    if not is_image:
        return [values]
    try:
        return [values, f"pixels {pixel_range(spec)}"]
    except UserError:
        return [values, "not a known range of pixels"]


def _doors(data: bytes, network: graph.Graph, problem: str) -> Iterator[Door]:
    if problem:
        upscaler = classifier = engine = [problem]
    else:
        upscaler, classifier = upscaler_obstacles(network), _classifier_obstacles(data)
        engine = engine_obstacles(network)
    yield door("upscale", upscaler)
    yield door("classify", classifier)
    model = _at_size(data, network) if not problem else data
    yield door("litert", [probe.obstacle("litert", model)])
    tflm = probe.obstacle("tflm", model)
    yield door("tflm", [tflm])
    yield Door("onnx", "no", ("it opens .onnx files",))
    yield door("engine", engine, "" if engine else f"yes, {_ram_text(network)}")
    if engine and not problem and not tflm and _is_integer(network):
        yield Door("firmware", "export --engine tflm", tuple(engine))
    else:
        yield door("firmware", engine)


def _ram_text(network: graph.Graph) -> str:
    """RAM of a network in the engine in bytes, and flash of one that runs at one size."""
    try:
        plan, width = make_plan(network), network.input.shape[2]
        return f"{plan.arena_bytes(width):,} bytes of RAM at width {width}"
    except UserError:
        own = make_frame_plan(network)
        compact, expanded = (
            own.flash_bytes_with(weights) for weights in (Weights.COMPACT, Weights.EXPANDED)
        )
        both = f"; with compact weights {compact:,}, expanded {expanded:,}"
        flash = f"{own.flash_bytes:,} of flash{both if expanded > compact else ''}"
        return f"{own.arena_bytes:,} bytes of RAM, {flash}"


def door(name: str, obstacles: Sequence[str], taken: str = "yes") -> Door:
    """Return a door that takes a network without obstacles; empty texts are none."""
    found = tuple(obstacle for obstacle in obstacles if obstacle)
    return Door(name, "no" if found else taken, found)


def _is_integer(network: graph.Graph) -> bool:
    try:
        check_integer(network)
    except UserError:
        return False
    return True


def _classifier_obstacles(data: bytes) -> list[str]:
    try:
        pixel_range(read_classifier(data).input)
    except UserError as error:
        return [str(error)]
    return []


def _at_size(data: bytes, network: graph.Graph) -> bytes:
    """The model at the size that stands for an open one; placeholders of 1 fit few networks."""
    tensor = network.tensors[network.inputs[0]]
    if not {1, 2} & set(tensor.open_axes):
        return data
    try:
        return graph.resize(data, *tensor.shape[1:3])
    except UserError:
        return data
