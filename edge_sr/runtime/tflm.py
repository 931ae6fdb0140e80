"""TensorFlow Lite Micro through its Python wheel (Linux x86-64): the bit-exact reference."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_sr import graph
from edge_sr.errors import UserError
from edge_sr.runtime.arrays import Arrays, shapes_text
from edge_sr.runtime.session import Interface, Session

_MIN_BETA_SCALE = 2**-26
_MAX_SOFTMAX = 511  # TFLM ends the process where exponentials of at most 1 add up to 512
_ARENA_OVERHEAD = 64 * 1024  # kernel data, tensor structs and alignment


class TFLMArrays(Arrays):
    """A .tflite of any kind in TFLM, at its own size."""

    runtime = "tflm"

    def __init__(self, model: bytes) -> None:
        from tflite_micro import runtime

        network = graph.read_graph(model)
        check_softmax(network)
        self._outputs = len(network.outputs)
        try:
            self._interpreter: Any = runtime.Interpreter.from_bytes(
                model, arena_size=arena_bound(network)
            )
        except Exception as error:  # the wheel raises almost any exception
            shapes = ", ".join(str(network.tensors[index].shape) for index in network.inputs)
            raise UserError(f"TFLM cannot run the model at {shapes}: {error}") from None

    def run(self, values: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run the network, as `Arrays.run`."""
        try:
            for index, value in enumerate(values):
                self._interpreter.set_input(value, index)
            self._interpreter.invoke()
            return [self._interpreter.get_output(index) for index in range(self._outputs)]
        except Exception as error:  # as in __init__
            raise UserError(
                f"TFLM cannot run the model at {shapes_text(values)}: {error}"
            ) from None


class TFLMSession(Session):
    """A .tflite of images in TFLM; the graph is resized for each new image size."""

    runtime = "tflm"

    def __init__(self, model: bytes, interface: Interface) -> None:
        super().__init__(interface)
        check_softmax(graph.read_graph(model))
        self._model = model
        self._shape: tuple[int, ...] | None = None
        self._arrays: TFLMArrays | None = None

    def _run(self, image: np.ndarray) -> np.ndarray:
        if image.shape != self._shape or self._arrays is None:
            self._shape = None
            # A network of one size may have operators that cannot be resized.
            fixed = self.fixed_size is not None
            model = self._model if fixed else graph.resize(self._model, *image.shape[1:3])
            self._arrays = TFLMArrays(model)
            self._shape = image.shape
        return self._arrays.run([image])[0]


def check_softmax(network: graph.Graph) -> None:
    """Refuse a softmax at which TFLM would end this process instead of raising an error.

    Raises:
        UserError: beta times the input's scale is too small, or exponentials may add up to 512.
    """
    for operator in network.operators:
        if operator.name != "SOFTMAX":
            continue
        image = network.tensors[operator.inputs[0]]
        beta = operator.options.get("beta")
        if not isinstance(beta, float):
            raise UserError(f"TFLM cannot run {operator}: it lacks its options")
        if image.quantization is None:
            continue
        if beta * image.quantization.scale[0] <= _MIN_BETA_SCALE:
            raise UserError(f"TFLM cannot run {operator}: its beta {beta:g} is too small")
        if image.shape[-1] > _MAX_SOFTMAX:
            raise UserError(
                f"TFLM cannot run {operator} of {image.shape[-1]} classes: it supports up to "
                f"{_MAX_SOFTMAX}; the runtime litert has no limit"
            )


def arena_bound(network: graph.Graph) -> int:
    """Return an upper bound of the arena in bytes: all activations at once, no memory shared."""
    activations = sum(
        int(np.prod(tensor.shape)) * np.dtype(tensor.dtype).itemsize
        for tensor in network.tensors
        if tensor.data is None
    )
    return activations + 1024 * len(network.tensors) + _ARENA_OVERHEAD
