"""Finds and opens classifiers; none ships, so that they are always files."""

from pathlib import Path

from edge_sr.cores import cores
from edge_sr.errors import UserError
from edge_sr.runtime.opening import default_runtime, open_classifier
from edge_sr.runtime.pixels import state_range
from edge_sr.runtime.runtimes import RUNTIMES
from edge_sr.runtime.session import PixelRange, Session
from edge_sr.zoo import catalog


def open_named(
    name: str,
    runtime: str | None = None,
    threads: int | None = None,
    input_range: PixelRange | None = None,
) -> Session:
    """Open a classifier.

    Args:
        name: a .tflite or .onnx file.
        runtime: one of `CLASSIFIER_RUNTIMES`; None for what opens the file.
        threads: 1 to 64; None for one per core where the runtime takes several.
        input_range: of the pixels that it takes; None to read it from the file, where float32
            means 0..1.

    Raises:
        UserError: the name is a shipped network's, or as `open_classifier`.
    """
    network = catalog.resolve(name)
    if network.path is None:
        raise UserError(
            f"{network.id} is not a classifier; name a classifier's .tflite or .onnx file"
        )
    chosen = runtime or default_runtime(network.path)
    if threads is None:
        threads = len(cores()) if chosen in RUNTIMES and RUNTIMES[chosen].threaded else 1
    session = open_classifier(network.path, chosen, threads)
    if input_range is not None:
        state_range(session, input_range)
    return session


def is_classifier(name: str) -> bool:
    """Return whether a name is a file with one output of the shape (1,N); it is not checked."""
    path = Path(name)
    if not path.is_file():
        return False
    try:
        return _output_rank(path) == 2
    except UserError:
        return False


def _output_rank(path: Path) -> int:
    if path.suffix.lower() == ".tflite":
        from edge_sr import graph

        network = graph.read_graph(path)
        return len(network.tensors[network.outputs[0]].shape)
    if path.suffix.lower() == ".onnx":
        from edge_sr.runtime.onnx_interface import output_rank

        return output_rank(path.read_bytes())
    return 0
