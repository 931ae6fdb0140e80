"""ONNX Runtime, on the CPU or a CUDA GPU."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_sr.errors import UserError
from edge_sr.runtime.arrays import Arrays, shapes_text
from edge_sr.runtime.session import Interface, Session

_CUDA = ("CUDAExecutionProvider", {"use_tf32": "0"})


class ONNXArrays(Arrays):
    """An .onnx of any kind in ONNX Runtime."""

    runtime = "onnx"

    def __init__(
        self, model: bytes, threads: int = 1, cuda: bool = False, profile: Path | None = None
    ) -> None:
        """Open a model.

        Args:
            model: the .onnx.
            threads: on the CPU.
            cuda: run on the GPU, in full float32 (no TF32).
            profile: prefix of the file that the times of each operator are written to.

        Raises:
            UserError: ONNX Runtime refuses the model or finds no CUDA GPU.
        """
        import onnxruntime as ort

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
        self._names = [source.name for source in self.native.get_inputs()]

    def run(self, values: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run the network, as `Arrays.run`."""
        try:
            feeds = dict(zip(self._names, values, strict=True))
            return [np.asarray(output) for output in self.native.run(None, feeds)]
        except Exception as error:  # as in __init__
            raise UserError(
                f"ONNX Runtime cannot run the model at {shapes_text(values)}: {_sentence(error)}"
            ) from None


class ONNXSession(Session):
    """An .onnx of images (QDQ int8, or float32) in ONNX Runtime; `ONNXArrays` has the arguments."""

    runtime = "onnx"

    def __init__(
        self,
        model: bytes,
        interface: Interface,
        threads: int = 1,
        cuda: bool = False,
        profile: Path | None = None,
    ) -> None:
        super().__init__(interface)
        self.arrays = ONNXArrays(model, threads, cuda, profile)
        self._channels_first = interface.channels_first

    def _run(self, image: np.ndarray) -> np.ndarray:
        if not self._channels_first:
            return self.arrays.run([image])[0]
        output = self.arrays.run([np.ascontiguousarray(image.transpose(0, 3, 1, 2))])[0]
        return output.transpose(0, 2, 3, 1) if output.ndim == 4 else output


def _sentence(error: Exception) -> str:
    """The error message without its number and the C++ function that raised it."""
    text = " ".join(str(error).split())
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    return re.sub(r"(^|\s)/\S+:\d+ [^()]*\([^()]*\) ", r"\1", text).rstrip(".")
