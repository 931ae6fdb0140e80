"""ONNX Runtime on the CPU."""

import re

import numpy as np

from edge_sr.errors import UserError
from edge_sr.runtime.session import Interface, Session


class ONNXSession(Session):
    """An .onnx (QDQ int8, or float32) in ONNX Runtime."""

    runtime = "onnx"

    def __init__(self, model: bytes, interface: Interface, threads: int = 1) -> None:
        import onnxruntime as ort

        super().__init__(interface)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        # Waiting threads that spin take cores from others, and win no time here.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4  # errors come as exceptions; the log would repeat them
        try:
            self._session = ort.InferenceSession(
                model, sess_options=options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors share no narrower base
            raise UserError(f"ONNX Runtime cannot open the model: {_sentence(error)}") from None
        self._input = self._session.get_inputs()[0].name

    def _run(self, image: np.ndarray) -> np.ndarray:
        try:
            return self._session.run(None, {self._input: image})[0]
        except Exception as error:  # as above
            raise UserError(
                f"ONNX Runtime cannot run the model at {image.shape}: {_sentence(error)}"
            ) from None


def _sentence(error: Exception) -> str:
    """What went wrong, without the error's number and the C++ function that found it."""
    text = " ".join(str(error).split())
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    return re.sub(r"(^|\s)/\S+:\d+ [^()]*\([^()]*\) ", r"\1", text).rstrip(".")
