"""Finds out whether a runtime opens a model, in a process of its own: some crash on bad files.

python -m edge_sr.runtime.probe litert model.tflite
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from edge_sr.runtime.runtimes import RUNTIMES

SECONDS = 60
_MAX_MEMORY = 8 * 2**30  # bytes of address space of the process
_ARENA_BYTES = 2**26  # TFLM's, where the file does not say
_MAX_TEXT = 200


def obstacle(runtime: str, model: bytes) -> str:
    """Return why a runtime does not open a model; "" if it does.

    Args:
        runtime: litert, tflm or onnx.
        model: the content of the file.
    """
    known = RUNTIMES[runtime]
    if importlib.util.find_spec(known.package) is None:
        return f"not tried: `pip install 'edge-sr[{known.extra}]'` brings {known.package}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model{known.suffix}"
        path.write_bytes(model)
        command = [sys.executable, "-m", "edge_sr.runtime.probe", runtime, str(path)]
        paths = os.pathsep.join(entry or "." for entry in sys.path)
        environment = {**os.environ, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"}
        try:
            done = subprocess.run(command, env=environment, capture_output=True, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            return f"it does not open within {SECONDS} seconds"
    if done.returncode == 0:
        return ""
    lines = done.stdout.decode(errors="replace").split("\n")
    if done.returncode == 1 and lines[0]:
        return lines[0]
    return f"the runtime ends abnormally on it (exit code {done.returncode})"


def _open(runtime: str, path: Path) -> None:
    if runtime == "litert":
        from ai_edge_litert.interpreter import Interpreter

        Interpreter(model_path=str(path), num_threads=1).allocate_tensors()
    elif runtime == "tflm":
        from tflite_micro import runtime as tflm

        tflm.Interpreter.from_file(str(path), arena_size=_arena_bytes(path))
    else:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        providers = ["CPUExecutionProvider"]
        onnxruntime.InferenceSession(str(path), sess_options=options, providers=providers)


def _arena_bytes(path: Path) -> int:
    from edge_sr.errors import UserError
    from edge_sr.graph import read_graph
    from edge_sr.runtime.tflm import arena_bound

    try:
        return max(_ARENA_BYTES, arena_bound(read_graph(path)))
    except UserError:
        return _ARENA_BYTES


def _main() -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))
    except (ImportError, OSError, ValueError):  # not on this system
        pass
    runtime, path = sys.argv[1:]
    try:
        _open(runtime, Path(path))
    except Exception as error:  # whatever the runtime raises is its answer
        text = " ".join((str(error).splitlines() or [type(error).__name__])[0].split())
        print(text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}...")
        sys.exit(1)


if __name__ == "__main__":
    _main()
