"""A network for an application that has TensorFlow Lite Micro: array, resolver, arena."""

import math
from dataclasses import dataclass

from edge_sr.graph import Graph
from firmware_harness.targets.content import Content, identifier, network_fields

_MARGIN = 1024  # bytes, for a build that keeps a little more about each operator
_PATCH_FACTOR = 4  # two patches of a convolution, widened to 16 bits: CMSIS-NN's scratch memory

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")

# MicroMutableOpResolver's names that are not simply the operator's.
_METHODS = {"BATCH_MATMUL": "AddBatchMatMul", "CUMSUM": "AddCumSum", "PADV2": "AddPadV2"}


@dataclass(frozen=True)
class Artifact:
    """What others have made of the .tflite.

    Attributes:
        header: the text of the header that declares it as an array.
        source: the text of the C file that holds the array.
        arena_bytes: as TFLM itself reports it.
        abi: of the machine on which it did.
    """

    header: str
    source: str
    arena_bytes: int
    abi: str


def tflm(network: Graph, name: str, artifact: Artifact) -> Content:
    """The model as an array, and what TFLM needs to run it.

    Args:
        network: an int8 super-resolution network at the example's size.
        name: of the network, for people.
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
            "PARAGRAPH": "The model as an array, the operators that it needs, and the size of its "
            "arena.",
            "ABI": artifact.abi,
            "TFLM_BYTES": f"{artifact.arena_bytes}",
            "MARGIN_BYTES": f"{margin}",
            "OPERATOR_COUNT": f"{len(operators)}",
            "ADD_OPERATORS": "\n".join(map(_add_operator, operators)),
        },
        ram=artifact.arena_bytes + margin,
        facts=(
            (
                "RAM of the arena",
                f"{artifact.arena_bytes + margin:,} bytes: {artifact.arena_bytes:,} as TFLM "
                f"reports it on a {artifact.abi}, and {margin:,} of margin",
            ),
            ("operators", ", ".join(operators)),
        ),
    )


def margin_bytes(network: Graph) -> int:
    """What kernels that want scratch memory take on top of the reference kernels' arena."""
    patches = [
        math.prod(network.tensors[operator.inputs[1]].shape[1:])
        for operator in network.operators
        if operator.name in _CONVOLUTIONS
    ]
    return _MARGIN + -(-_PATCH_FACTOR * max(patches, default=0) // 16) * 16


def method(operator: str) -> str:
    """The method of MicroMutableOpResolver that adds an operator: CONV_2D's is AddConv2D."""
    words = "".join(word.capitalize() for word in operator.split("_"))
    return _METHODS.get(operator, f"Add{words.replace('2d', '2D').replace('3d', '3D')}")


def _add_operator(operator: str) -> str:
    return f"  if (resolver.{method(operator)}() != kTfLiteOk) return kTfLiteError;"
