"""ONNX Runtime, on the CPU or a CUDA GPU."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from edge_sr.errors import UserError
from edge_sr.runtime.session import Interface, Session

_CUDA = ("CUDAExecutionProvider", {"use_tf32": "0"})


class ONNXSession(Session):
    """An .onnx (QDQ int8, or float32) in ONNX Runtime."""

    runtime = "onnx"

    def __init__(
        self,
        model: bytes,
        interface: Interface,
        threads: int = 1,
        cuda: bool = False,
        profile: Path | None = None,
    ) -> None:
        """Open a model.

        Args:
            model: the .onnx.
            interface: of the model.
            threads: on the CPU.
            cuda: run on the GPU, in full float32 (no TF32).
            profile: prefix of the file that the times of each operator are written to.

        Raises:
            UserError: ONNX Runtime refuses the model or finds no CUDA GPU.
        """
        import onnxruntime as ort

        super().__init__(interface)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        # Spinning threads take cores from other processes, and gain no time here.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4  # the log would repeat exceptions
        if profile is not None:
            options.enable_profiling = True
            options.profile_file_prefix = str(profile)
        try:
            self.native: Any = ort.InferenceSession(
                model, sess_options=options, providers=[_CUDA] if cuda else ["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors share no narrower base
            raise UserError(f"ONNX Runtime cannot open the model: {_sentence(error)}") from None
        if cuda and self.native.get_providers()[0] != _CUDA[0]:
            raise UserError("ONNX Runtime finds no CUDA GPU, or a CUDA library is missing")
        self._input = self.native.get_inputs()[0].name

    def _run(self, image: np.ndarray) -> np.ndarray:
        try:
            return self.native.run(None, {self._input: image})[0]
        except Exception as error:  # as in __init__
            raise UserError(
                f"ONNX Runtime cannot run the model at {image.shape}: {_sentence(error)}"
            ) from None


def _sentence(error: Exception) -> str:
    """The error message without its number and the C++ function that raised it."""
    text = " ".join(str(error).split())
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    return re.sub(r"(^|\s)/\S+:\d+ [^()]*\([^()]*\) ", r"\1", text).rstrip(".")
