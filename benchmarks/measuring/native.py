"""Opens an artifact in a case's runtime, and reads what only some runtimes report."""

import importlib
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring.job import Job
from edge_sr import graph
from edge_sr.errors import UserError, require
from edge_sr.graph import read_bytes
from edge_sr.quiet import quiet_native
from edge_sr.records import Kernels, OperatorTime
from edge_sr.runtime.arrays import Arrays
from edge_sr.runtime.runtimes import RUNTIMES
from edge_sr.runtime.session import Interface, Session

_PROFILED_RUNS = 5


def import_runtime(job: Job) -> None:
    """Import the packages of the runtime, which is the first part of a cold start.

    Raises:
        UserError: a package is missing.
    """
    if job.runtime == "keras":
        from edge_sr.models.namespaces import import_keras

        import_keras()
        return
    known = RUNTIMES[job.runtime]
    with quiet_native():
        require(known.package, known.extra)
        importlib.import_module(f"edge_sr.runtime.{job.runtime}")
        if job.runtime == "litert":
            importlib.import_module("ai_edge_litert.interpreter")
        elif job.runtime == "engine":
            from edge_sr.engine import binding

            binding.load()


def open_session(job: Job, profile: Path | None = None) -> Session:
    """Open the artifact.

    Raises:
        UserError: the runtime rejects the artifact, or the delegate is missing.
    """
    assert isinstance(job.interface, Interface)
    if job.runtime == "keras":
        from edge_sr.runtime.keras import KerasSession

        return KerasSession(job.artifact)
    model, interface = read_bytes(job.artifact), job.interface
    if job.runtime == "litert":
        from edge_sr.runtime.litert import LiteRTSession

        return LiteRTSession(model, interface, job.threads, job.delegate == "xnnpack")
    if job.runtime == "onnx":
        from edge_sr.runtime.onnx import ONNXSession

        cuda = _uses_cuda(job)
        with quiet_native():
            return ONNXSession(model, interface, job.threads, cuda, profile)
    if job.runtime == "tflm":
        from edge_sr.runtime.tflm import TFLMSession

        return TFLMSession(model, interface)
    from edge_sr.runtime.engine import open_engine

    return open_engine(model, interface, job.threads)


def open_arrays(job: Job, profile: Path | None = None) -> Arrays:
    """Open the artifact of a network that takes no image.

    Raises:
        UserError: the runtime rejects the artifact, or the delegate is missing.
    """
    model = sized_model(job)
    if job.runtime == "litert":
        from edge_sr.runtime.litert import LiteRTArrays

        return LiteRTArrays(model, job.threads, job.delegate == "xnnpack")
    if job.runtime == "onnx":
        from edge_sr.runtime.onnx import ONNXArrays

        cuda = _uses_cuda(job)
        with quiet_native():
            return ONNXArrays(model, job.threads, cuda, profile)
    if job.runtime == "tflm":
        from edge_sr.runtime.tflm import TFLMArrays

        return TFLMArrays(model)
    from edge_sr.runtime.engine import EngineArrays

    return EngineArrays(model)


def sized_model(job: Job) -> bytes:
    """Return the file of a network that takes no image, at the job's size."""
    model = read_bytes(job.artifact)
    if not job.resized or job.artifact.suffix.lower() != ".tflite":
        return model
    return graph.resize(model, job.height, job.width)


def _uses_cuda(job: Job) -> bool:
    """Return whether the job runs on a GPU, whose libraries are then loaded."""
    if job.delegate == "cuda":
        _check_cuda()
    return job.delegate == "cuda"


def _check_cuda() -> None:
    import onnxruntime as ort

    if "CUDAExecutionProvider" not in ort.get_available_providers():
        raise UserError(
            "this ONNX Runtime has no CUDA provider; install onnxruntime-gpu in place of "
            "onnxruntime: `pip install onnxruntime-gpu`"
        )
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()


def on_device(
    opened: Session | Arrays, inputs: Sequence[np.ndarray], device: str = "cuda"
) -> Callable[[], object]:
    """Return a function that runs an .onnx on data in the device's memory, and waits."""
    import onnxruntime as ort

    from edge_sr.runtime.onnx import ONNXArrays, ONNXSession

    arrays = opened.arrays if isinstance(opened, ONNXSession) else opened
    assert isinstance(arrays, ONNXArrays)
    native = arrays.native
    binding = native.io_binding()
    sources = [ort.OrtValue.ortvalue_from_numpy(values, device, 0) for values in inputs]
    for declared, source in zip(native.get_inputs(), sources, strict=True):
        binding.bind_ortvalue_input(declared.name, source)
    for declared in native.get_outputs():
        binding.bind_output(declared.name, device)
    binding.synchronize_inputs()

    def work() -> object:
        native.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return sources  # must live as long as the binding

    return work


def operators(
    job: Job, open_again: Callable[[Path], Any], run: Callable[[Any], object]
) -> tuple[OperatorTime, ...]:
    """Return mean times of operators, from a few profiled runs; only ONNX Runtime has them.

    Args:
        job: that was measured.
        open_again: opens its artifact, and writes the times to files of this prefix.
        run: runs what was opened once.
    """
    if job.runtime != "onnx":
        return ()
    with tempfile.TemporaryDirectory(prefix="edge-sr-") as folder:
        opened = open_again(Path(folder) / "profile")
        run(opened)
        for _ in range(_PROFILED_RUNS):
            run(opened)
        native = getattr(opened, "arrays", opened).native
        events = json.loads(Path(native.end_profiling()).read_bytes())
    return _sum_up(events)


def _sum_up(events: list[dict[str, Any]]) -> tuple[OperatorTime, ...]:
    """Sum events of the profiled runs by kind of operator and device, without the first run."""
    spans: dict[tuple[str, str], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            about = event["args"]
            key = about["op_name"], about.get("provider", "").removesuffix("ExecutionProvider")
            spans[key][event["name"]].append(event["dur"])
    sums = [
        OperatorTime(name, device, len(nodes), round(1000 * sum(map(_mean, nodes.values()))))
        for (name, device), nodes in spans.items()
    ]
    return tuple(sorted(sums, key=lambda operator: -operator.ns))


def _mean(microseconds: list[int]) -> float:
    later = microseconds[-_PROFILED_RUNS:]
    return sum(later) / len(later)


def kernels(opened: Session | Arrays) -> Kernels | None:
    """Return which kernels the engine used, after a run; None for other runtimes."""
    if opened.runtime != "engine":
        return None
    from edge_sr.runtime.engine import EngineArrays, EngineSession
    from edge_sr.runtime.frame import ImageFrameSession

    if isinstance(opened, ImageFrameSession):
        return opened.frame.kernels
    assert isinstance(opened, EngineSession | EngineArrays)
    return opened.kernels
