"""LiteRT (formerly TensorFlow Lite), with its default kernels (XNNPACK)."""

from typing import Any

import numpy as np

from edge_sr.errors import UserError
from edge_sr.quiet import quiet_native
from edge_sr.runtime.session import Interface, Session


class LiteRTSession(Session):
    """A .tflite in LiteRT."""

    runtime = "litert"

    def __init__(self, model: bytes, interface: Interface, threads: int = 1) -> None:
        from ai_edge_litert.interpreter import Interpreter

        super().__init__(interface)
        try:
            self._interpreter: Any = Interpreter(model_content=model, num_threads=threads)
            with quiet_native():  # XNNPACK announces itself when tensors are first allocated
                self._interpreter.allocate_tensors()
            self._input = self._interpreter.get_input_details()[0]["index"]
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


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
