"""Runs every file of an export and compares it with TensorFlow Lite Micro, the oracle of bits.

Runtimes round differently, so the differences are recorded, and quality is what is gated: on
photographs, PSNR may differ by 0.05 dB at most. That of an encoder is measured of the picture that
the decoder makes of its latents, which themselves may differ a little: each pass of a codec rounds
what the pass before has rounded.
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
from export.trials import Trial, make_trials, run_session

MAX_LATENT_DIFFERENCE = 2.0
"""Steps of an int8 encoder's output in the mean: of one pass 0.2 are seen, of four 0.8; a slip in
meaning makes dozens. The largest difference tells less: single values may be far off."""

_RUNTIMES = {".tflite": "litert", ".onnx": "onnx"}


def verify(folder: Path, name: str, precision: str, other: bytes | None = None) -> Verification:
    """Check all files `name`.tflite, .onnx, .c and .h that are in `folder`.

    Args:
        folder: holds at least the .tflite, which the other files were made of.
        name: base name of the files.
        precision: "int8", which must then be fully integer, or "float32".
        other: of a codec's part, the .tflite of the other one; None for an upscaler.

    Raises:
        UserError: an extra that verification needs is missing.
        VerificationError: a file fails; the text names the file or the tensor.
    """
    tflite = folder / f"{name}.tflite"
    if precision == "int8":
        check_integer(tflite)
    opened = open_session if other is None else _open_part
    reference = opened(tflite, "tflm" if has_tflm() else "litert")
    _, height, width, _ = read_graph(tflite).input.shape
    trials = make_trials(reference, tflite.name, (height, width), other)
    comparisons: list[Comparison] = []
    for suffix, runtime in _RUNTIMES.items():
        path = folder / f"{name}{suffix}"
        if path.exists() and runtime != reference.runtime:
            comparisons += compare(path, opened(path, runtime), reference.runtime, trials)
    notes = [] if reference.runtime == "tflm" else [_WITHOUT_TFLM]
    if (folder / f"{name}.onnx").exists():
        notes.append(f"the shapes are those of the .tflite; {name}.onnx takes any height and width")
    if (folder / f"{name}.c").exists():
        notes.append(check_c(folder, name))
    return Verification(reference.runtime, tuple(comparisons), tuple(notes))


def _open_part(path: Path, runtime: str) -> Session:
    return open_part(read_bytes(path), runtime=runtime)


_WITHOUT_TFLM = (
    "tflite-micro is not installed (pip install 'edge-sr[tflm]', Linux x86-64): compared with "
    "LiteRT instead of TFLM, and the arena is not known"
)


def has_tflm() -> bool:
    """Whether the oracle is installed."""
    return importlib.util.find_spec("tflite_micro") is not None


def check_integer(tflite: Path) -> None:
    """Raise VerificationError unless every tensor of the file is integer."""
    found = not_integer(read_graph(tflite))
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise VerificationError(f"{tflite.name} is not fully integer: {found[0]}{more}")


def compare(
    path: Path, session: Session, reference: str, trials: Sequence[Trial]
) -> list[Comparison]:
    """Run a file on all trials; the largest differences may not pass the limits above.

    Raises:
        VerificationError: the file cannot run or differs too much.
    """
    results = [run_session(session, trial.image, path.name) for trial in trials]
    pairs = list(zip(trials, results, strict=True))
    noise = [pair for pair in pairs if pair[0].quality is None]
    real = [pair for pair in pairs if pair[0].quality is not None]
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
    pairs: Sequence[tuple[Trial, np.ndarray]],
) -> Comparison:
    step = 1.0 if session.output.dtype == "int8" else 1 / 255
    differences = np.concatenate(
        [np.abs(result.astype(np.float64) - trial.expected).ravel() for trial, result in pairs]
    )
    losses = [
        abs(trial.quality(result) - trial.quality(trial.expected))
        for trial, result in pairs
        if trial.quality is not None
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
    found, is_float = record.max_difference, session.output.dtype == "float32"
    if is_float and found > MAX_FLOAT_DIFFERENCE:
        raise VerificationError(
            f"{subject} by {found:.3g}/255 on {record.inputs} images; "
            f"{MAX_FLOAT_DIFFERENCE}/255 is allowed"
        )
    mean = record.mean_difference or 0.0
    if not is_float and session.shrink > 1 and mean > MAX_LATENT_DIFFERENCE:
        raise VerificationError(
            f"{subject} by {mean:.1f} steps of a latent in the mean on {record.inputs} images; "
            f"{MAX_LATENT_DIFFERENCE} are allowed"
        )
    loss = record.psnr_difference
    if loss is not None and loss > MAX_PSNR_DIFFERENCE:
        raise VerificationError(
            f"{subject} by {loss:.3f} dB on a photograph; {MAX_PSNR_DIFFERENCE} dB is allowed"
        )


def check_c(folder: Path, name: str) -> str:
    """Compile the C array and compare its bytes with the .tflite.

    Returns:
        What was checked, or why not: without a C compiler nothing is compiled.

    Raises:
        VerificationError: it does not compile without a warning, or holds other bytes.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return f"{name}.c was not compiled: there is no C compiler here"
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
    """The array as a compiled C99 program sees it."""
    array = identifier(name)
    with tempfile.TemporaryDirectory() as scratch:
        main, program = Path(scratch) / "main.c", Path(scratch) / "main"
        main.write_text(_READER.format(name=name, array=array, prefix=array.upper()))
        strict = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
        files = [str(main), str(folder / f"{name}.c")]
        command = [compiler, *strict, f"-I{folder}", *files, "-o", str(program)]
        _run(command, f"{name}.c does not compile")
        return _run([str(program)], f"{name}.c is not aligned as it states")


def _run(command: list[str], failure: str) -> bytes:
    try:
        return subprocess.run(command, check=True, capture_output=True, timeout=120).stdout
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode("utf-8", errors="replace").strip().splitlines()
        raise VerificationError(": ".join([failure, *lines[:1]])) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise VerificationError(f"{failure}: {error}") from None
