"""Networks of any kind: any number of inputs and outputs, of any rank and dtype.

A `Session` runs images through a network; `Arrays` runs whatever its file declares.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edge_sr import graph
from edge_sr.records import Precision


@dataclass(frozen=True)
class ArraySpec:
    """An input of a network.

    Attributes:
        dtype: as NumPy names it.
        shape: with a size for each axis, also where the file leaves it open.
    """

    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        """Return the shape and the dtype: "1x49x10x1 int8"."""
        return f"{'x'.join(map(str, self.shape)) or 'scalar'} {self.dtype}"


@dataclass(frozen=True)
class ArrayInterface:
    """What a network takes.

    Attributes:
        inputs: in the file's order.
        precision: of its arithmetic.
        vectors: whether an output is a vector (1,N).
        sides: the axes of the only input that are height and width, if both can be chosen.
        channels_first: whether the first input is an image (1,C,H,W).
    """

    inputs: tuple[ArraySpec, ...]
    precision: Precision
    vectors: bool
    sides: tuple[int, int] | None = None
    channels_first: bool = False

    def sized(self, height: int, width: int) -> "ArrayInterface":
        """Return the same with a height and a width of the only input."""
        assert self.sides is not None
        (spec,) = self.inputs
        shape = list(spec.shape)
        for axis, size in zip(self.sides, (height, width), strict=True):
            shape[axis] = size
        return dataclasses.replace(self, inputs=(ArraySpec(spec.dtype, tuple(shape)),))


class Arrays(ABC):
    """An opened network that takes the arrays of its file."""

    runtime: ClassVar[str]

    @abstractmethod
    def run(self, values: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run the network.

        Args:
            values: of the dtypes and shapes of its inputs.

        Returns:
            Its outputs, in the file's order.

        Raises:
            UserError: the runtime cannot run the network on these arrays.
        """


def read_arrays(model: bytes) -> ArrayInterface:
    """Return what a .tflite takes.

    Raises:
        UserError: the file is damaged.
    """
    network = graph.read_graph(model)
    tensors = [network.tensors[index] for index in network.inputs]
    chosen = len(tensors) == len(network.outputs) == 1 and graph.grows(network)
    return ArrayInterface(
        tuple(ArraySpec(tensor.dtype, tensor.shape) for tensor in tensors),
        graph.precision(network),
        any(is_vector(network.tensors[index].shape) for index in network.outputs),
        (1, 2) if chosen else None,
    )


def is_vector(shape: tuple[int, ...]) -> bool:
    """Return whether a shape is (1,N) with several values; a batch of any size is 0 or 1."""
    return len(shape) == 2 and shape[0] in (0, 1) and shape[1] > 1


def shapes_text(values: Sequence[np.ndarray]) -> str:
    """Return the shapes of arrays for messages."""
    return ", ".join(str(value.shape) for value in values)
