"""The typed contents of a .tflite: graph, operators, tensors and their quantization."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

_MAX_NAME = 60


@dataclass(frozen=True)
class Quantization:
    """real = scale * (stored - zero_point), one pair per tensor or one per channel along `axis`."""

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int = 0


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor: NHWC for images, OHWI for kernels; `data` (read-only) is None for activations.

    `open_axes` are the axes whose size the file leaves open; `shape` has a size for each of them.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    quantization: Quantization | None
    data: np.ndarray | None
    open_axes: tuple[int, ...] = ()

    def __str__(self) -> str:
        """Return the name of the tensor for messages; converters write names of any length."""
        name = self.name if len(self.name) <= _MAX_NAME else f"{self.name[:_MAX_NAME]}..."
        return f"tensor {self.index} {name!r}"


@dataclass(frozen=True, eq=False)
class Operator:
    """One operator; `inputs` and `outputs` are tensor indices, -1 for an omitted input.

    `options` holds the builtin options of the operators that this package interprets, by their
    schema names in snake case, enumerations as text ("SAME", "RELU"); it is empty for all others.
    """

    index: int
    name: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, object]

    def __str__(self) -> str:
        """Return the name of the operator for messages."""
        return f"operator {self.index} {self.name}"

    def number(self, option: str) -> int:
        """Return the integer option of that name."""
        value = self.options[option]
        assert isinstance(value, int)
        return value


@dataclass(frozen=True, eq=False)
class Graph:
    """The only subgraph of a .tflite, operators in the order of execution."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def input(self) -> Tensor:
        """The only input."""
        (index,) = self.inputs
        return self.tensors[index]

    @property
    def output(self) -> Tensor:
        """The only output."""
        (index,) = self.outputs
        return self.tensors[index]

    def constants(self) -> Iterator[Tensor]:
        """Return the tensors whose values are in the file."""
        return (tensor for tensor in self.tensors if tensor.data is not None)

    def used(self) -> Iterator[Tensor]:
        """Return the inputs and outputs of the graph and of its operators, in the file's order."""
        indices = {*self.inputs, *self.outputs}
        for operator in self.operators:
            indices.update(operator.inputs, operator.outputs)
        return (tensor for tensor in self.tensors if tensor.index in indices)
