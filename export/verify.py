"""Runs every file of an export, and compares it with TensorFlow Lite Micro, the reference.

Runtimes round differently, so differences are recorded, and quality is gated: on images, PSNR may
differ by at most 0.05 dB. The PSNR of an encoder is that of the image decoded from its latents. The
latents themselves may differ a little: each iteration of a codec part rounds what the previous one
rounded.
"""

import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from edge_sr.errors import VerificationError
from edge_sr.graph import not_integer, read_bytes, read_graph
from edge_sr.runtime.agreement import MAX_FLOAT_DIFFERENCE, MAX_PSNR_DIFFERENCE
from edge_sr.runtime.opening import open_part, open_session
from edge_sr.runtime.session import Session
from export.c import identifier
from export.manifest import Comparison, Verification
from export.vectors import TestVector, make_test_vectors, run_session

MAX_LATENT_DIFFERENCE = 2.0
"""Limit of the mean difference of an int8 encoder's output, in steps.

Measured: 0.2 with one iteration, 0.8 with four; a wrong conversion gives dozens. The largest
difference is less useful, because single values may differ much.
"""

_RUNTIMES = {".tflite": "litert", ".onnx": "onnx"}


def verify(folder: Path, name: str, precision: str, other: bytes | None = None) -> Verification:
    """Check the files `name`.tflite, .onnx, .c and .h in `folder`, as far as they exist.

    Args:
        folder: holds at least the .tflite, from which the other files were made.
        name: base name of the files.
        precision: "int8", then the network must be fully integer, or "float32".
        other: for a codec part, the .tflite of the other part; None for an upscaler.

    Raises:
        UserError: an extra that verification needs is missing.
        VerificationError: a file fails its check; the text names the file or the tensor.
    """
    tflite = folder / f"{name}.tflite"
    if precision == "int8":
        check_integer(tflite)
    open_file = open_session if other is None else _open_part
    reference = open_file(tflite, "tflm" if has_tflm() else "litert")
    _, height, width, _ = read_graph(tflite).input.shape
    vectors = make_test_vectors(reference, tflite.name, (height, width), other)
    comparisons: list[Comparison] = []
    for suffix, runtime in _RUNTIMES.items():
        path = folder / f"{name}{suffix}"
        if path.exists() and runtime != reference.runtime:
            comparisons += compare(path, open_file(path, runtime), reference.runtime, vectors)
    notes = [] if reference.runtime == "tflm" else [_WITHOUT_TFLM]
    if (folder / f"{name}.onnx").exists():
        notes.append(f"the shapes are those of the .tflite; {name}.onnx takes any height and width")
    if (folder / f"{name}.c").exists():
        notes.append(check_c(folder, name))
    return Verification(reference.runtime, tuple(comparisons), tuple(notes))


def _open_part(path: Path, runtime: str) -> Session:
    return open_part(read_bytes(path), runtime=runtime, latents=None)


_WITHOUT_TFLM = (
    "tflite-micro is not installed (pip install 'edge-sr[tflm]', Linux x86-64): compared with "
    "LiteRT instead of TFLM, and the arena is unknown"
)


def has_tflm() -> bool:
    """Whether TFLM, the reference, is installed."""
    return importlib.util.find_spec("tflite_micro") is not None


def check_integer(tflite: Path) -> None:
    """Check that a .tflite is fully integer.

    Raises:
        VerificationError: a tensor or an operator is not integer.
    """
    problems = not_integer(read_graph(tflite))
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise VerificationError(f"{tflite.name} is not fully integer: {problems[0]}{more}")


def compare(
    path: Path, session: Session, reference: str, vectors: Sequence[TestVector]
) -> list[Comparison]:
    """Run a file on all test vectors, and check the differences against the limits.

    Raises:
        VerificationError: the file does not run, or differs too much.
    """
    results = [run_session(session, vector.image, path.name) for vector in vectors]
    pairs = list(zip(vectors, results, strict=True))
    noise = [pair for pair in pairs if pair[0].psnr is None]
    real = [pair for pair in pairs if pair[0].psnr is not None]
    records = [
        _record(path.name, session, "random", noise),
        _record(path.name, session, "real", real),
    ]
    for record in records:
        _gate(record, reference, session)
    return records


def _record(
    name: str,
    session: Session,
    inputs: Literal["random", "real"],
    pairs: Sequence[tuple[TestVector, np.ndarray]],
) -> Comparison:
    step = 1.0 if session.output.dtype == "int8" else 1 / 255
    differences = np.concatenate(
        [np.abs(result.astype(np.float64) - vector.expected).ravel() for vector, result in pairs]
    )
    losses = [
        abs(vector.psnr(result) - vector.psnr(vector.expected))
        for vector, result in pairs
        if vector.psnr is not None
    ]
    return Comparison(
        file=name,
        runtime=session.runtime,
        inputs=inputs,
        values=differences.size,
        max_difference=round(float(differences.max()) / step, 6),
        mean_difference=round(float(differences.mean()) / step, 6),
        differing_share=round(float(np.mean(differences != 0)), 6),
        psnr_difference=round(max(losses), 6) if losses else None,
    )


def _gate(record: Comparison, reference: str, session: Session) -> None:
    subject = f"{record.file} in {record.runtime} differs from {reference}"
    largest, is_float = record.max_difference, session.output.dtype == "float32"
    if is_float and largest > MAX_FLOAT_DIFFERENCE:
        raise VerificationError(
            f"{subject} by {largest:.3g}/255 on {record.inputs} images; "
            f"at most {MAX_FLOAT_DIFFERENCE}/255 is allowed"
        )
    mean = record.mean_difference or 0.0
    if not is_float and session.shrink > 1 and mean > MAX_LATENT_DIFFERENCE:
        raise VerificationError(
            f"{subject} by a mean of {mean:.1f} latent steps on {record.inputs} images; "
            f"at most {MAX_LATENT_DIFFERENCE} are allowed"
        )
    loss = record.psnr_difference
    if loss is not None and loss > MAX_PSNR_DIFFERENCE:
        raise VerificationError(
            f"{subject} by {loss:.3f} dB on an image; at most {MAX_PSNR_DIFFERENCE} dB is allowed"
        )


def check_c(folder: Path, name: str) -> str:
    """Compile the C array and compare its bytes with the .tflite.

    Returns:
        A note on what was checked; without a C compiler, that nothing was compiled.

    Raises:
        VerificationError: the array does not compile without a warning, or holds other bytes.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return f"{name}.c was not compiled: no C compiler is installed"
    if compiled_bytes(compiler, folder, name) != (folder / f"{name}.tflite").read_bytes():
        raise VerificationError(f"{name}.c does not hold the bytes of {name}.tflite")
    return "the C array compiles as C99 without a warning and equals the .tflite"


_READER = """\
#include <stdio.h>
#include "{name}.h"

int main(void)
{{
    const size_t size = sizeof {array};

    if ((size_t)(const void *){array} % {prefix}_ALIGNMENT != 0) {{
        return 1;
    }}
    return fwrite({array}, 1, size, stdout) == size ? 0 : 1;
}}
"""


def compiled_bytes(compiler: str, folder: Path, name: str) -> bytes:
    """Return the array as read by a compiled C99 program.

    Raises:
        VerificationError: the array does not compile without a warning, or is not aligned.
    """
    array = identifier(name)
    with tempfile.TemporaryDirectory() as scratch:
        main, program = Path(scratch) / "main.c", Path(scratch) / "main"
        main.write_text(_READER.format(name=name, array=array, prefix=array.upper()))
        strict = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
        files = [str(main), str(folder / f"{name}.c")]
        command = [compiler, *strict, f"-I{folder}", *files, "-o", str(program)]
        _run(command, f"{name}.c does not compile")
        return _run([str(program)], f"{name}.c is not aligned as it declares")


def _run(command: list[str], failure: str) -> bytes:
    try:
        return subprocess.run(command, check=True, capture_output=True, timeout=120).stdout
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode("utf-8", errors="replace").strip().splitlines()
        raise VerificationError(": ".join([failure, *lines[:1]])) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise VerificationError(f"{failure}: {error}") from None
