"""Measures the arena of a model in TensorFlow Lite Micro, by running it."""

import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from edge_sr.errors import VerificationError, require
from edge_sr.graph import read_graph
from edge_sr.runtime.tflm import arena_bound

_TOTAL = re.compile(rb"Arena allocation total (\d+) bytes")


def arena_bytes(model: bytes) -> int:
    """Return the arena in bytes that TFLM uses at the model's own size, on this machine's ABI.

    Raises:
        UserError: the tflm extra is not installed.
        VerificationError: TFLM cannot run the model.
    """
    runtime = require("tflite_micro", "tflm").runtime
    graph = read_graph(model)
    with _captured_stderr() as captured:
        try:
            interpreter = runtime.Interpreter.from_bytes(model, arena_size=arena_bound(graph))
        except (ValueError, RuntimeError) as error:
            shapes = ("x".join(map(str, graph.tensors[index].shape)) for index in graph.inputs)
            raise VerificationError(f"TFLM cannot run {', '.join(shapes)}: {error}") from None
        interpreter.print_allocations()
        captured.seek(0)
        total = _TOTAL.search(captured.read())
    if total is None:
        raise VerificationError("TFLM reports no arena size")
    return int(total[1])


def host_abi() -> str:
    """Return the ABI of this machine, such as "64-bit host (Linux x86_64)"."""
    bits = 64 if sys.maxsize > 2**32 else 32
    return f"{bits}-bit host ({platform.system()} {platform.machine()})"


@contextmanager
def _captured_stderr() -> Iterator[IO[bytes]]:
    """Capture what native code writes to standard error; the wheel reports the arena only there."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield file
        finally:
            os.dup2(saved, 2)
            os.close(saved)
