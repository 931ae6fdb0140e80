"""LiteRT (formerly TensorFlow Lite), with XNNPACK (the default) or its own kernels only."""

import contextlib
from collections.abc import Iterator, Sequence, Set
from typing import Any

import numpy as np

from edge_sr.errors import UserError
from edge_sr.quiet import quiet_native
from edge_sr.runtime.arrays import Arrays, shapes_text
from edge_sr.runtime.session import Interface, Session

_MAX_TEXT = 200


class LiteRTArrays(Arrays):
    """A .tflite of any kind in LiteRT."""

    runtime = "litert"

    def __init__(self, model: bytes, threads: int = 1, xnnpack: bool = True) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        kernels = (
            OpResolverType.AUTO if xnnpack else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        )
        try:
            self._interpreter: Any = Interpreter(
                model_content=model,
                num_threads=threads,
                experimental_op_resolver_type=kernels,
            )
            details = self._interpreter.get_input_details()
            # Sizes that the file leaves open are known in the first run.
            if not any(-1 in source["shape_signature"][1:] for source in details):
                with quiet_native():  # XNNPACK logs when tensors are first allocated
                    self._interpreter.allocate_tensors()
            self._inputs = [source["index"] for source in details]
            self._outputs = [each["index"] for each in self._interpreter.get_output_details()]
        except (ValueError, RuntimeError) as error:
            raise UserError(f"LiteRT cannot open the model: {_first_line(error)}") from None
        self._shapes: list[tuple[int, ...]] | None = None

    def run(self, values: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run the network, as `Arrays.run`."""
        shapes = [value.shape for value in values]
        try:
            if shapes != self._shapes:
                self._shapes = None
                for index, shape in zip(self._inputs, shapes, strict=True):
                    self._interpreter.resize_tensor_input(index, shape)
                self._interpreter.allocate_tensors()
                self._shapes = shapes
            for index, value in zip(self._inputs, values, strict=True):
                self._interpreter.set_tensor(index, value)
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(index) for index in self._outputs]
        except (ValueError, RuntimeError) as error:
            raise UserError(
                f"LiteRT cannot run the model at {shapes_text(values)}: {_first_line(error)}"
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
                if isinstance(view, np.ndarray):  # a scalar is a copy
                    yield view.ctypes.data, view.ctypes.data + view.nbytes


class LiteRTSession(Session):
    """A .tflite of images in LiteRT."""

    runtime = "litert"

    def __init__(
        self, model: bytes, interface: Interface, threads: int = 1, xnnpack: bool = True
    ) -> None:
        super().__init__(interface)
        self.arrays = LiteRTArrays(model, threads, xnnpack)

    def _run(self, image: np.ndarray) -> np.ndarray:
        return self.arrays.run([image])[0]


def _first_line(error: Exception) -> str:
    """The start of a message that repeats itself for each tensor."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return line if len(line) <= _MAX_TEXT else f"{line[:_MAX_TEXT]}..."
