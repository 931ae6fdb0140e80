"""TensorFlow Lite Micro through its Python wheel (Linux x86-64): the bit-exact reference."""

from typing import Any

import numpy as np

from edge_sr import graph
from edge_sr.errors import UserError
from edge_sr.runtime.session import Interface, Session

_MIN_BETA_SCALE = 2**-26
_MAX_SOFTMAX = 511  # TFLM ends the process where exponentials of at most 1 add up to 512
_ARENA_OVERHEAD = 64 * 1024  # kernel data, tensor structs and alignment


class TFLMSession(Session):
    """A .tflite in TFLM; the graph is resized for each new image size."""

    runtime = "tflm"

    def __init__(self, model: bytes, interface: Interface) -> None:
        super().__init__(interface)
        check_softmax(graph.read_graph(model))
        self._model = model
        self._shape: tuple[int, ...] | None = None
        self._interpreter: Any = None

    def _run(self, image: np.ndarray) -> np.ndarray:
        try:
            if image.shape != self._shape:
                self._shape = None
                self._interpreter = self._at_size(*image.shape[1:3])
                self._shape = image.shape
            self._interpreter.set_input(image, 0)
            self._interpreter.invoke()
            return self._interpreter.get_output(0)
        except UserError:
            raise
        except Exception as error:  # the wheel raises almost any exception
            raise UserError(f"TFLM cannot run the model at {image.shape}: {error}") from None

    def _at_size(self, height: int, width: int) -> Any:
        from tflite_micro import runtime

        # A classifier has one size, and operators that cannot be resized.
        fixed = self.fixed_size is not None
        model = self._model if fixed else graph.resize(self._model, height, width)
        return runtime.Interpreter.from_bytes(
            model, arena_size=arena_bound(graph.read_graph(model))
        )


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
