"""The content of a library for TensorFlow Lite Micro: a network as an array, resolver, arena."""

import math
from dataclasses import dataclass

from edge_sr.graph import Graph
from firmware_harness.targets.content import (
    Content,
    identifier,
    name_fields,
    network_fields,
    upscales,
)

_MARGIN = 1024  # bytes, for builds that store more about each operator
_PATCH_FACTOR = 4  # CMSIS-NN's scratch: two patches of a convolution, in 16 bits

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")
_SUMS = ("FULLY_CONNECTED", "AVERAGE_POOL_2D")  # CMSIS-NN keeps 32 bits for each output channel

# Methods of MicroMutableOpResolver whose names do not follow from the operator's.
_METHODS = {
    "BATCH_MATMUL": "AddBatchMatMul",
    "CUMSUM": "AddCumSum",
    "PADV2": "AddPadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
}


@dataclass(frozen=True)
class Artifact:
    """A .tflite as C, and TFLM's arena for it.

    Attributes:
        header: the text of the header that declares the array.
        source: the text of the C file that defines the array.
        arena_bytes: TFLM's arena, as TFLM reports it.
        abi: of the machine that TFLM ran on.
    """

    header: str
    source: str
    arena_bytes: int
    abi: str


def tflm(network: Graph, name: str, artifact: Artifact) -> Content:
    """Return a model as an array, with the resolver and the arena size that TFLM needs.

    Args:
        network: an integer network, at the size of the example's input.
        name: the network's name, for people.
        artifact: the network as C, and its arena.
    """
    margin = margin_bytes(network)
    operators = sorted({operator.name for operator in network.operators})
    ident = identifier(name)
    return Content(
        engine="tflm",
        form="tflm",
        files={f"{ident}.h": artifact.header, f"{ident}.c": artifact.source},
        fields=_fields(network, name)
        | {
            "PARAGRAPH": "Contains the model as an array, a resolver with its operators, and the "
            "size of its arena.",
            "ABI": artifact.abi,
            "TFLM_BYTES": f"{artifact.arena_bytes}",
            "MARGIN_BYTES": f"{margin}",
            "OPERATOR_COUNT": f"{len(operators)}",
            "ADD_OPERATORS": "\n".join(map(_add_operator, operators)),
        },
        ram=artifact.arena_bytes + margin,
        facts=(
            (
                "arena RAM",
                f"{artifact.arena_bytes + margin:,} bytes: {artifact.arena_bytes:,} as TFLM "
                f"reports on a {artifact.abi}, and {margin:,} of margin",
            ),
            ("operators", ", ".join(operators)),
        ),
    )


def _fields(network: Graph, name: str) -> dict[str, str]:
    if upscales(network):
        fields = network_fields(network, name)
        does = f"Upscales int8 images x{fields['SCALE']} with the network"
        return fields | {"SENTENCE": f"{does} {fields['NAME']} in TensorFlow Lite Micro."}
    fields = name_fields(name)
    ends = (
        ", ".join(sorted({network.tensors[index].dtype for index in indices}))
        for indices in (network.inputs, network.outputs)
    )
    return fields | {
        "KIND": " to ".join(ends),
        "SENTENCE": f"Runs the network {fields['NAME']} in TensorFlow Lite Micro.",
    }


def margin_bytes(network: Graph) -> int:
    """Return the scratch memory of optimized kernels, which the reference kernels do not need."""
    patches = [
        math.prod(network.tensors[operator.inputs[1]].shape[1:])
        for operator in network.operators
        if operator.name in _CONVOLUTIONS
    ]
    patches += [
        network.tensors[operator.outputs[0]].shape[-1]
        for operator in network.operators
        if operator.name in _SUMS and network.tensors[operator.outputs[0]].shape
    ]
    return _MARGIN + -(-_PATCH_FACTOR * max(patches, default=0) // 16) * 16


def method(operator: str) -> str:
    """Return the method of MicroMutableOpResolver for an operator: AddConv2D for CONV_2D."""
    words = "".join(word.capitalize() for word in operator.split("_"))
    return _METHODS.get(operator, f"Add{words.replace('2d', '2D').replace('3d', '3D')}")


def _add_operator(operator: str) -> str:
    return f"  if (resolver.{method(operator)}() != kTfLiteOk) return kTfLiteError;"
