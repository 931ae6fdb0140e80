"""What keeps a .tflite from the engine or from being an upscaler: all obstacles at once."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterable
from functools import partial

from edge_sr import graph
from edge_sr.engine import frame_lower
from edge_sr.engine.frame_plan import FramePlan
from edge_sr.engine.operands import END_TYPES
from edge_sr.engine.plan import Plan
from edge_sr.engine.planning import plan_network
from edge_sr.engine.weights import Weights
from edge_sr.errors import UserError
from edge_sr.graph import Graph, Operator
from edge_sr.runtime.interfaces import UPSCALER_CHANNELS, check_upscaler
from edge_sr.runtime.pixels import pixel_range
from edge_sr.runtime.session import TensorSpec

_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")  # between floats and integers: their tensors are named


def engine_obstacles(network: Graph) -> list[str]:
    """Return why the engine does not run a network, at its own size either; empty if it does."""
    return _obstacles(network) if _raised(lambda: plan_network(network)) else []


def check_engine(network: Graph) -> None:
    """Refuse a network that the engine does not run.

    Raises:
        UserError: the text names all obstacles.
    """
    found = engine_obstacles(network)
    if found:
        raise UserError("; ".join(found))


def _obstacles(network: Graph) -> list[str]:
    """Return why a network is not planned at its own size.

    Operators come first: one that the engine lacks often brings tensors that are not int8.
    """
    with contextlib.suppress(UserError):
        network = frame_lower.as_images(network)  # without operators that only compute shapes
    found = []
    if len(network.inputs) != 1:
        found.append(f"it has {len(network.inputs)} inputs, and the engine takes one")
    missing = [
        operator
        for operator in network.operators
        if operator.name not in (*frame_lower.OPERATORS, *_CONVERSIONS)
    ]
    if missing:
        named = ", ".join(_missing(network, group) for group in _by_name(missing))
        found.append(f"the engine does not support {named}")
    rest = tuple(operator for operator in network.operators if operator not in missing)
    found += [f"{text}; {advice(network)}" for text in _grouped(_not_integer(network, rest))]
    for group in _by_name(rest):
        texts = [text for text in (_lowering(network, each) for each in group) if text]
        found += _grouped(texts)
    if not found:
        found += _raised(lambda: plan_network(network))
    return found


def plan_of(network: Graph, weights: Weights = Weights.AUTO) -> Plan | FramePlan:
    """Plan a network for the engine: for frames of any size if possible, else of its own.

    Args:
        network: the network.
        weights: which weights take more than one byte each.

    Raises:
        UserError: the engine does not run it; the text names all obstacles.
    """
    try:
        return plan_network(network, weights)
    except UserError as error:
        raise UserError("; ".join(engine_obstacles(network)) or str(error)) from None


def check_integer(network: Graph) -> None:
    """Refuse a network that computes with floats, whose results differ between processors.

    Raises:
        UserError: the network is not integer, or has an operator that is not built in.
    """
    floats = [tensor for tensor in network.used() if tensor.dtype.startswith("float")]
    if floats:
        raise UserError(
            f"a library needs an int8 model, but {floats[0]} is {floats[0].dtype}; "
            f"{advice(network)}"
        )
    custom = [operator for operator in network.operators if operator.name == "CUSTOM"]
    if custom:
        raise UserError(f"TFLM does not have {custom[0]}, an operator that is not built in")


def upscaler_obstacles(network: Graph) -> list[str]:
    """Return why a network does not upscale images of one channel or RGB; empty if it does."""
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        return [f"it has {len(network.inputs)} inputs and {len(network.outputs)} outputs, not one"]
    with contextlib.suppress(UserError):
        network = graph.fold(network)  # with the shapes that the network computes itself
    ends = (("input", network.input), ("output", network.output))
    found = [
        f"its {role} is of shape {tensor.shape}, not an image (1,H,W,1) or (1,H,W,3)"
        for role, tensor in ends
        if len(tensor.shape) != 4 or tensor.shape[3] not in UPSCALER_CHANNELS
    ]
    if not found:
        channels = network.input.shape[3]
        found += _raised(
            lambda: check_upscaler(graph.scale(network), channels, graph.ends_in_sigmoid(network))
        )
    for role, tensor in ends:
        if len(tensor.shape) == 4:
            found += _raised(partial(_check_pixels, tensor, role))
    return found


def advice(network: Graph) -> str:
    """Return how a network of floats or uint8 becomes one of int8."""
    inside = any(tensor.dtype == "int8" for tensor in network.used())
    ends = {network.tensors[index].dtype for index in (*network.inputs, *network.outputs)}
    island = _float_operator(network)
    if inside and island is not None and "float32" not in ends:
        return (
            f"{island} computes with floats, because the converter has no int8 version of it; "
            "replace it in the network"
        )
    if inside:
        return (
            "inside it is int8: convert it with converter.inference_input_type = tf.int8 and "
            "converter.inference_output_type = tf.int8"
        )
    return (
        "export the model with --int8, or convert it with converter.optimizations, "
        "converter.representative_dataset and converter.inference_input_type = tf.int8"
    )


def _float_operator(network: Graph) -> Operator | None:
    """Return the first operator that reads computed floats and computes floats."""
    floats = {t.index for t in network.tensors if t.dtype == "float32" and t.data is None}
    return next(
        (
            operator
            for operator in network.operators
            if floats.intersection(operator.inputs) and floats.intersection(operator.outputs)
        ),
        None,
    )


def spec_of(tensor: graph.Tensor) -> TensorSpec | None:
    """Return the spec of a tensor of 8 bits with one scale, or of float32; None for any other."""
    if tensor.dtype == "float32":
        return TensorSpec("float32")
    quantization = tensor.quantization
    if tensor.dtype not in ("int8", "uint8") or quantization is None or len(quantization.scale) > 1:
        return None
    return TensorSpec(tensor.dtype, quantization.scale[0], quantization.zero_point[0])


def _check_pixels(tensor: graph.Tensor, role: str) -> None:
    spec = spec_of(tensor)
    if spec is None:
        raise UserError(
            f"the model's {role} is {tensor.dtype}; int8 or uint8 with one scale, or float32 is "
            "needed"
        )
    pixel_range(spec, role)


def _raised(check: Callable[[], object]) -> list[str]:
    try:
        check()
    except UserError as error:
        return [str(error)]
    return []


def _lowering(network: Graph, operator: Operator) -> str | None:
    """Why the engine does not run one operator; None if it does, or if its dtypes are in the way.

    A network of that operator alone is lowered, whose dtypes were named before.
    """
    alone = _only(network, operator)
    if graph.not_integer(alone, END_TYPES) or not alone.inputs or not alone.outputs:
        return None
    (text,) = _raised(lambda: frame_lower.lower_frame(alone)) or (None,)
    return text


def _only(network: Graph, operator: Operator) -> Graph:
    """The network of one operator."""
    inputs = [
        index for index in operator.inputs if index >= 0 and network.tensors[index].data is None
    ]
    return dataclasses.replace(
        network, operators=(operator,), inputs=tuple(inputs[:1]), outputs=operator.outputs[:1]
    )


def _not_integer(network: Graph, operators: tuple[Operator, ...]) -> list[str]:
    """What is not integer in some of the operators; what others compute is left out."""
    computed = {index for operator in operators for index in operator.outputs}
    return graph.not_integer(
        dataclasses.replace(
            network,
            operators=operators,
            inputs=network.inputs,
            outputs=tuple(index for index in network.outputs if index in computed),
        ),
        END_TYPES,
    )


def _missing(network: Graph, group: list[Operator]) -> str:
    first = group[0]
    use = f", which computes {network.tensors[first.outputs[0]]}" if first.outputs else ""
    return f"{_named(group).removesuffix(')')}{use})"


def _named(group: list[Operator]) -> str:
    """The kind of some operators, how many there are, and the first."""
    first = group[0]
    if len(group) > 1:
        return f"{first.name} ({len(group)} times, first operator {first.index})"
    return f"{first.name} (operator {first.index})"


def _grouped(texts: list[str]) -> list[str]:
    """The first text, and how many more there are."""
    more = f" (and {len(texts) - 1} more)" if len(texts) > 1 else ""
    return [f"{text}{more}" for text in texts[:1]]


def _by_name(operators: Iterable[Operator]) -> list[list[Operator]]:
    groups: dict[str, list[Operator]] = {}
    for operator in operators:
        groups.setdefault(operator.name, []).append(operator)
    return list(groups.values())
