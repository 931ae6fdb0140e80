"""Sessions against the runtimes called directly, and against each other."""

from pathlib import Path

import numpy as np
import pytest

from edge_sr.errors import UserError
from edge_sr.runtime.opening import open_session
from edge_sr.runtime.pixels import decode, encode, run_plane
from edge_sr.runtime.session import TensorSpec
from edge_sr.zoo import catalog

LOSSLESS = TensorSpec("int8", 1 / 255, -128)
ALL_PIXELS = np.arange(256, dtype=np.uint8).reshape(16, 16)


def artifact(kind: str, suffix: str, scale: int = 2) -> Path:
    return catalog.find(f"tinypssr-anchor-x{scale}").file(kind, suffix)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)


def test_8_bit_pixels_are_quantized_without_loss() -> None:
    assert np.array_equal(
        encode(ALL_PIXELS, LOSSLESS), (ALL_PIXELS.astype(int) - 128).astype(np.int8)
    )
    assert np.array_equal(decode(encode(ALL_PIXELS, LOSSLESS), LOSSLESS), ALL_PIXELS)


def test_float_pixels_are_clipped_and_rounded() -> None:
    spec = TensorSpec("float32")
    assert np.array_equal(decode(encode(ALL_PIXELS, spec), spec), ALL_PIXELS)
    values = np.array([[-3, 0.499 / 255, 0.501 / 255, 1.0, 7.5]], np.float32)
    assert decode(values, spec).tolist() == [[0, 0, 1, 255, 255]]


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(UserError, match="not finite"):
        decode(np.array([[np.nan]], np.float32), TensorSpec("float32"))


@pytest.mark.parametrize("scale", [2, 4])
def test_litert_equals_the_interpreter_called_directly(scale: int) -> None:
    from ai_edge_litert.interpreter import Interpreter

    path = artifact("int8", ".tflite", scale)
    plane = noise(32, 32)
    interpreter = Interpreter(str(path))
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.resize_tensor_input(source["index"], (1, 32, 32, 1))
    interpreter.allocate_tensors()
    interpreter.set_tensor(
        source["index"], (plane.astype(int) - 128).astype(np.int8)[None, ..., None]
    )
    interpreter.invoke()
    step, zero_point = target["quantization"]
    real = (interpreter.get_tensor(target["index"])[0, ..., 0].astype(float) - zero_point) * step
    expected = np.rint(np.clip(real, 0, 1) * 255).astype(np.uint8)
    session = open_session(path, "litert")
    assert (session.scale, session.input.dtype, session.fixed_size) == (scale, "int8", None)
    assert np.array_equal(run_plane(session, plane), expected)


@pytest.mark.parametrize("runtime", ["litert", "onnx"])
def test_int8_runtimes_agree_with_tflm(runtime: str) -> None:
    suffix = {"litert": ".tflite", "onnx": ".onnx"}[runtime]
    plane = noise(40, 23)
    ours = run_plane(open_session(artifact("int8", suffix), runtime), plane).astype(int)
    oracle = run_plane(open_session(artifact("int8", ".tflite"), "tflm"), plane).astype(int)
    assert np.abs(ours - oracle).max() <= 5


@pytest.mark.slow
@pytest.mark.parametrize(("runtime", "suffix"), [("litert", ".tflite"), ("onnx", ".onnx")])
def test_float_runtimes_agree_with_keras(runtime: str, suffix: str) -> None:
    plane = noise(40, 23)
    checkpoint = catalog.find("tinypssr-anchor-x2").checkpoint("float32")
    expected = run_plane(open_session(checkpoint, "keras"), plane).astype(int)
    ours = run_plane(open_session(artifact("float32", suffix), runtime), plane).astype(int)
    assert np.abs(ours - expected).max() <= 1


@pytest.mark.parametrize(
    ("runtime", "suffix"),
    [("litert", ".tflite"), ("onnx", ".onnx"), ("tflm", ".tflite"), ("engine", ".tflite")],
)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 2)])
def test_sizes_change_between_runs(runtime: str, suffix: str, size: tuple[int, int]) -> None:
    session = open_session(artifact("int8", suffix), runtime)
    fresh = run_plane(open_session(artifact("int8", suffix), runtime), noise(*size))
    run_plane(session, noise(33, 12))
    assert fresh.shape == (2 * size[0], 2 * size[1])
    assert np.array_equal(run_plane(session, noise(*size)), fresh)


def test_a_batch_of_the_wrong_dtype_is_a_programming_error() -> None:
    session = open_session(artifact("int8", ".tflite"), "litert")
    with pytest.raises(ValueError, match="int8"):
        session.run(np.zeros((1, 8, 8, 1), np.uint8))


def test_errors_on_opening_are_one_sentence(tmp_path: Path) -> None:
    path = artifact("int8", ".tflite")
    with pytest.raises(UserError, match="unknown runtime 'tpu'; available: litert, onnx"):
        open_session(path, "tpu")
    with pytest.raises(UserError, match=r"opens \.onnx files"):
        open_session(path, "onnx")
    with pytest.raises(UserError, match="no such file"):
        open_session(tmp_path / "none.tflite", "litert")
    with pytest.raises(UserError, match="1 to 64 threads, not 0"):
        open_session(path, "litert", threads=0)
    with pytest.raises(UserError, match="only 1 thread, not 2"):
        open_session(path, "tflm", threads=2)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    real = importlib.import_module

    def without(name: str, package: str | None = None) -> object:
        if name == "tflite_micro":
            raise ModuleNotFoundError(name=name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(UserError, match=r"pip install 'edge-sr\[tflm\]'"):
        open_session(artifact("int8", ".tflite"), "tflm")
