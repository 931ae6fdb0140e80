"""The real TensorFlow Lite Micro runtime, called without any of our code."""

import numpy as np
from tflite_micro import runtime


def run_tflm(model: bytes, image: np.ndarray) -> np.ndarray:
    return run_tflm_outputs(model, image, 1)[0]


def run_tflm_outputs(model: bytes, image: np.ndarray, count: int) -> list[np.ndarray]:
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=2**22)
    interpreter.set_input(image, 0)
    interpreter.invoke()
    return [np.array(interpreter.get_output(index)) for index in range(count)]


def noise(height: int, width: int, seed: int) -> np.ndarray:
    """(1,height,width,1) int8."""
    rng = np.random.default_rng(seed)
    return rng.integers(-128, 128, (1, height, width, 1), dtype=np.int8)
