"""A typed view of a .tflite, without TensorFlow: read, check, measure, resize."""

from edge_sr.graph.analysis import (
    ends_in_sigmoid,
    halo,
    is_tiled,
    macs,
    macs_per_pixel,
    not_integer,
    operators,
    parameters,
    precision,
    ratio,
    scale,
    step,
)
from edge_sr.graph.folding import fold
from edge_sr.graph.model import Graph, Operator, Quantization, Tensor
from edge_sr.graph.reader import read_bytes, read_graph
from edge_sr.graph.resize import grows, resize

__all__ = [
    "Graph",
    "Operator",
    "Quantization",
    "Tensor",
    "ends_in_sigmoid",
    "fold",
    "grows",
    "halo",
    "is_tiled",
    "macs",
    "macs_per_pixel",
    "not_integer",
    "operators",
    "parameters",
    "precision",
    "ratio",
    "read_bytes",
    "read_graph",
    "resize",
    "scale",
    "step",
]
