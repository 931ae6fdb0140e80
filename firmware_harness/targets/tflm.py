"""The content of a library for TensorFlow Lite Micro: a network as an array, resolver, arena."""

import math
from dataclasses import dataclass

from edge_sr.graph import Graph
from firmware_harness.targets.content import Content, identifier, network_fields

_MARGIN = 1024  # bytes, for builds that store more about each operator
_PATCH_FACTOR = 4  # CMSIS-NN's scratch: two patches of a convolution, in 16 bits

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")

# Methods of MicroMutableOpResolver whose names do not follow from the operator's.
_METHODS = {"BATCH_MATMUL": "AddBatchMatMul", "CUMSUM": "AddCumSum", "PADV2": "AddPadV2"}


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
        network: an int8 super-resolution network, resized to the example's frame.
        name: the network's name, for people.
        artifact: the network as C, and its arena.
    """
    margin = margin_bytes(network)
    operators = sorted({operator.name for operator in network.operators})
    ident = identifier(name)
    fields = network_fields(network, name)
    return Content(
        engine="tflm",
        files={f"{ident}.h": artifact.header, f"{ident}.c": artifact.source},
        fields=fields
        | {
            "SENTENCE": f"Upscales int8 images x{fields['SCALE']} with the network "
            f"{fields['NAME']} in TensorFlow Lite Micro.",
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


def margin_bytes(network: Graph) -> int:
    """Return the scratch memory of optimized kernels, which the reference kernels do not need."""
    patches = [
        math.prod(network.tensors[operator.inputs[1]].shape[1:])
        for operator in network.operators
        if operator.name in _CONVOLUTIONS
    ]
    return _MARGIN + -(-_PATCH_FACTOR * max(patches, default=0) // 16) * 16


def method(operator: str) -> str:
    """Return the method of MicroMutableOpResolver for an operator: AddConv2D for CONV_2D."""
    words = "".join(word.capitalize() for word in operator.split("_"))
    return _METHODS.get(operator, f"Add{words.replace('2d', '2D').replace('3d', '3D')}")


def _add_operator(operator: str) -> str:
    return f"  if (resolver.{method(operator)}() != kTfLiteOk) return kTfLiteError;"
