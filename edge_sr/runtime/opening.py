"""Opens a model file in a runtime.

`open_session` opens upscalers, `open_part` parts of codecs, `open_classifier` classifiers.

Each runtime's module is imported when a session of it is opened, and not before.
"""

from pathlib import Path

from edge_sr.errors import UserError, require
from edge_sr.files import check_is_file
from edge_sr.graph import read_bytes, read_graph
from edge_sr.quiet import quiet_native
from edge_sr.runtime.interfaces import PART_CHANNELS
from edge_sr.runtime.runtimes import CLASSIFIER_RUNTIMES, MAX_THREADS, RUNTIMES, find_runtime
from edge_sr.runtime.session import Interface, Session


def open_session(artifact: Path, runtime: str, threads: int = 1) -> Session:
    """Open a super-resolution network for one channel or RGB.

    Args:
        artifact: a .tflite (litert, tflm, engine), .onnx (onnx) or .safetensors (keras) file.
        runtime: one of `RUNTIMES`.
        threads: 1 to `MAX_THREADS`; tflm and keras take 1 only.

    Raises:
        UserError: the runtime is unknown or not installed, or the file is missing, damaged, of
            another kind, or not a super-resolution network of int8 or float32 for one channel or
            three.
    """
    known = find_runtime(runtime, threads)
    _check_file(artifact, runtime, known.suffix)
    if runtime == "keras":
        from edge_sr.models.namespaces import import_keras

        _check_float(artifact)  # before the seconds that importing a backend takes
        import_keras()
    else:
        with quiet_native():
            require(known.package, known.extra)
    try:
        return _open(artifact, runtime, threads)
    except UserError as error:
        text = str(error)
        raise UserError(text if str(artifact) in text else f"{artifact}: {text}") from None


def open_part(
    model: bytes,
    threads: int = 1,
    runtime: str | None = None,
    latents: int | None = PART_CHANNELS,
) -> Session:
    """Open an encoder or a decoder of a codec.

    Args:
        model: a .tflite, or an .onnx for the runtime onnx, from RGB images to latents 2, 4, 8 or
            16 times as small, or back.
        threads: 1 to `MAX_THREADS`.
        runtime: litert, onnx, tflm or engine; by default int8 runs in the engine, whose bits are
            the same everywhere, and float32 in LiteRT.
        latents: channels that the latents must have; None for any. Those of an .onnx are 3.

    Raises:
        UserError: the model is damaged or not a part of a codec, or the runtime is not installed.
    """
    if not 1 <= threads <= MAX_THREADS:
        raise UserError(f"a codec takes 1 to {MAX_THREADS} threads, not {threads}")
    known = RUNTIMES[runtime or "litert"]
    with quiet_native():
        require(known.package, known.extra)
    if runtime == "onnx":
        from edge_sr.runtime import onnx, onnx_interface

        return onnx.ONNXSession(model, onnx_interface.read_part(model), threads)
    from edge_sr.runtime.tflite_interface import read_part

    interface = read_part(model, latents)
    default = "engine" if interface.input.dtype == "int8" else "litert"
    return _open_tflite(model, interface, runtime or default, threads)


def default_runtime(artifact: Path) -> str:
    """Return the first runtime that opens files of that suffix; "litert" where none does."""
    suffix = artifact.suffix.lower()
    return next((name for name, known in RUNTIMES.items() if known.suffix == suffix), "litert")


def open_classifier(artifact: Path, runtime: str | None = None, threads: int = 1) -> Session:
    """Open a classifier of images of one channel or RGB, with a fixed size.

    Args:
        artifact: a .tflite (litert, tflm, engine) or .onnx (onnx) file.
        runtime: one of `CLASSIFIER_RUNTIMES`; None for what opens the file.
        threads: 1 to `MAX_THREADS`; tflm takes 1 only.

    Raises:
        UserError: the runtime is unknown, runs no classifiers or is not installed, or the file is
            missing, damaged, of another kind, or not a classifier of int8, uint8 or float32.
    """
    runtime = runtime or default_runtime(artifact)
    known = find_runtime(runtime, threads)
    if runtime not in CLASSIFIER_RUNTIMES:
        raise UserError(
            f"the runtime {runtime} does not run classifiers; available: "
            f"{', '.join(CLASSIFIER_RUNTIMES)}"
        )
    _check_file(artifact, runtime, known.suffix)
    with quiet_native():
        require(known.package, known.extra)
    try:
        model = read_bytes(artifact)
        if runtime == "onnx":
            from edge_sr.runtime import onnx, onnx_interface

            return onnx.ONNXSession(model, onnx_interface.read_classifier(model), threads)
        from edge_sr.runtime.tflite_interface import read_classifier

        return _open_tflite(model, read_classifier(model), runtime, threads)
    except UserError as error:
        text = str(error)
        raise UserError(text if str(artifact) in text else f"{artifact}: {text}") from None


def _check_file(artifact: Path, runtime: str, suffix: str) -> None:
    if artifact.suffix.lower() != suffix:
        raise UserError(f"the runtime {runtime} opens {suffix} files, not {artifact}")
    check_is_file(artifact, f"a {suffix} model")


def _check_float(artifact: Path) -> None:
    from edge_sr.models import checkpoint

    if checkpoint.is_quantized(checkpoint.read(artifact)):
        raise UserError(
            f"{artifact} is a quantization-aware trained checkpoint; the keras runtime takes a "
            "float checkpoint; `edge-sr export` makes a .tflite of this one"
        )


def _open(artifact: Path, runtime: str, threads: int) -> Session:
    if RUNTIMES[runtime].suffix == ".tflite":
        from edge_sr.runtime.tflite_interface import read_interface

        model = read_bytes(artifact)
        return _open_tflite(model, read_interface(model), runtime, threads)
    if runtime == "onnx":
        from edge_sr.runtime.onnx import ONNXSession
        from edge_sr.runtime.onnx_interface import read_interface as read_onnx

        model = read_bytes(artifact)
        return ONNXSession(model, read_onnx(model), threads)
    from edge_sr.runtime.keras import KerasSession

    return KerasSession(artifact)


def _open_tflite(model: bytes, interface: Interface, runtime: str, threads: int) -> Session:
    if runtime == "litert":
        return _open_litert(model, interface, threads)
    if runtime == "tflm":
        from edge_sr.runtime.tflm import TFLMSession

        return TFLMSession(model, interface)
    from edge_sr.runtime.engine import open_engine

    return open_engine(model, interface, threads)


def _open_litert(model: bytes, interface: Interface, threads: int) -> Session:
    """Open a .tflite in LiteRT; where it refuses, say whether the engine runs it."""
    from edge_sr.runtime.litert import LiteRTSession
    from edge_sr.runtime.obstacles import engine_obstacles

    try:
        return LiteRTSession(model, interface, threads)
    except UserError as error:
        if engine_obstacles(read_graph(model)):
            raise
        raise UserError(f"{error}; --runtime engine runs it") from None
