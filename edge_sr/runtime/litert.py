"""LiteRT (formerly TensorFlow Lite), with XNNPACK (the default) or its own kernels only."""

import contextlib
from collections.abc import Iterator, Set
from typing import Any

import numpy as np

from edge_sr.errors import UserError
from edge_sr.quiet import quiet_native
from edge_sr.runtime.session import Interface, Session


class LiteRTSession(Session):
    """A .tflite in LiteRT."""

    runtime = "litert"

    def __init__(
        self, model: bytes, interface: Interface, threads: int = 1, xnnpack: bool = True
    ) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        super().__init__(interface)
        kernels = (
            OpResolverType.AUTO if xnnpack else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        )
        try:
            self._interpreter: Any = Interpreter(
                model_content=model,
                num_threads=threads,
                experimental_op_resolver_type=kernels,
            )
            source = self._interpreter.get_input_details()[0]
            if -1 not in source["shape_signature"][1:]:  # an open size is known in the first run
                with quiet_native():  # XNNPACK logs when tensors are first allocated
                    self._interpreter.allocate_tensors()
            self._input = source["index"]
            self._output = self._interpreter.get_output_details()[0]["index"]
        except (ValueError, RuntimeError) as error:
            raise UserError(f"LiteRT cannot open the model: {_first_line(error)}") from None
        self._shape: tuple[int, ...] | None = None

    def _run(self, image: np.ndarray) -> np.ndarray:
        try:
            if image.shape != self._shape:
                self._shape = None
                self._interpreter.resize_tensor_input(self._input, image.shape)
                self._interpreter.allocate_tensors()
                self._shape = image.shape
            self._interpreter.set_tensor(self._input, image)
            self._interpreter.invoke()
            return self._interpreter.get_tensor(self._output)
        except (ValueError, RuntimeError) as error:
            raise UserError(
                f"LiteRT cannot run the model at {image.shape}: {_first_line(error)}"
            ) from None

    def arena_bytes(self, constants: Set[int]) -> int:
        """Return the bytes of activations and scratch tensors, shared memory counted once.

        XNNPACK's own memory is not counted; LiteRT's Python API does not report it.

        Args:
            constants: indices of the tensors whose values are in the file.
        """
        total = end = 0
        for start, stop in sorted(self._spans(constants)):
            total += max(0, stop - max(start, end))
            end = max(end, stop)
        return total

    def _spans(self, constants: Set[int]) -> Iterator[tuple[int, int]]:
        """The address ranges of those tensors in the last run."""
        for details in self._interpreter.get_tensor_details():
            if details["index"] in constants:
                continue
            with contextlib.suppress(ValueError):  # XNNPACK holds it
                view = self._interpreter.tensor(details["index"])()
                yield view.ctypes.data, view.ctypes.data + view.nbytes


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
