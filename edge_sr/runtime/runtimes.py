"""The table of runtimes: what is known of each before it is imported."""

from dataclasses import dataclass

from edge_sr.errors import UserError

MAX_THREADS = 64
"""Upper limit of the thread count; some runtimes start any number of threads."""


@dataclass(frozen=True)
class Runtime:
    """What is known of a runtime before it is imported.

    Attributes:
        suffix: of the files that it opens.
        package: the Python package that it needs.
        extra: the extra of edge-sr that installs the package.
        threaded: whether the number of threads can be set.
    """

    suffix: str
    package: str
    extra: str
    threaded: bool


RUNTIMES = {
    "litert": Runtime(".tflite", "ai_edge_litert", "all", True),
    "onnx": Runtime(".onnx", "onnxruntime", "onnx", True),
    "tflm": Runtime(".tflite", "tflite_micro", "tflm", False),
    "engine": Runtime(".tflite", "ai_edge_litert", "all", True),
    "keras": Runtime(".safetensors", "keras", "train", False),
}
"""All runtimes by the names that users type."""


CLASSIFIER_RUNTIMES = ("litert", "onnx", "tflm", "engine")
"""The runtimes that run classifiers."""


def find_runtime(name: str, threads: int) -> Runtime:
    """Return the runtime of this name.

    Args:
        name: one of `RUNTIMES`.
        threads: 1 to `MAX_THREADS`; 1 for a runtime whose thread count cannot be set.

    Raises:
        UserError: the runtime is unknown, or it cannot use this number of threads.
    """
    if name not in RUNTIMES:
        raise UserError(f"unknown runtime {name!r}; available: {', '.join(RUNTIMES)}")
    runtime = RUNTIMES[name]
    if not 1 <= threads <= (MAX_THREADS if runtime.threaded else 1):
        limit = f"1 to {MAX_THREADS} threads" if runtime.threaded else "only 1 thread"
        raise UserError(f"the runtime {name} takes {limit}, not {threads}")
    return runtime
