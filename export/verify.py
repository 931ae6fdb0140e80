"""Runs every file of an export and compares it with TensorFlow Lite Micro, the oracle of bits.

Runtimes round differently, so the differences are recorded, and quality is what is gated: on
photographs, PSNR may differ by 0.05 dB at most.
"""

import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from edge_sr.data.colour import luminance
from edge_sr.data.degradation import bicubic_downscale
from edge_sr.errors import UserError, VerificationError, require
from edge_sr.graph import not_integer, read_graph
from edge_sr.metrics import psnr
from edge_sr.runtime.agreement import MAX_FLOAT_DIFFERENCE, MAX_PSNR_DIFFERENCE
from edge_sr.runtime.session import Session, decode, encode, open_session
from export.c import identifier
from export.manifest import Comparison, Verification

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee")
"""Images that come with scikit-image."""

_SEED = 20240229
_NOISE_SIZES = ((17, 45), (7, 5))
_MAX_NOISE_SIDE = 256
_CROP = 240  # high-resolution pixels; divisible by every scale

_RUNTIMES = {".tflite": "litert", ".onnx": "onnx"}


@dataclass(frozen=True)
class Trial:
    """An input with the reference's output, both (1,H,W,1) in the model's dtypes.

    `original` is what the output should look like, (H,W) uint8 luma; None for noise.
    """

    image: np.ndarray
    expected: np.ndarray
    original: np.ndarray | None = None


def verify(folder: Path, name: str, precision: str) -> Verification:
    """Check all files `name`.tflite, .onnx, .c and .h that are in `folder`.

    Args:
        folder: holds at least the .tflite, which the other files were made of.
        name: base name of the files.
        precision: "int8", which must then be fully integer, or "float32".

    Raises:
        UserError: an extra that verification needs is missing.
        VerificationError: a file fails; the text names the file or the tensor.
    """
    tflite = folder / f"{name}.tflite"
    if precision == "int8":
        check_integer(tflite)
    reference = open_session(tflite, "tflm" if has_tflm() else "litert")
    _, height, width, _ = read_graph(tflite).input.shape
    trials = make_trials(reference, tflite.name, (height, width))
    comparisons: list[Comparison] = []
    for suffix, runtime in _RUNTIMES.items():
        path = folder / f"{name}{suffix}"
        if path.exists() and runtime != reference.runtime:
            comparisons += compare(path, open_session(path, runtime), reference.runtime, trials)
    notes = [] if reference.runtime == "tflm" else [_WITHOUT_TFLM]
    if (folder / f"{name}.onnx").exists():
        notes.append(f"the shapes are those of the .tflite; {name}.onnx takes any height and width")
    if (folder / f"{name}.c").exists():
        notes.append(check_c(folder, name))
    return Verification(reference.runtime, tuple(comparisons), tuple(notes))


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


def make_trials(reference: Session, name: str, exported: tuple[int, int]) -> list[Trial]:
    """Run the reference on seeded noise of the exported and two other sizes, and on photographs.

    Args:
        reference: what the others are compared with.
        name: the file that it runs, for messages.
        exported: height and width written into the file; noise has at most 256 a side.

    Raises:
        UserError: scikit-image is not installed.
        VerificationError: the reference cannot run the file `name`.
    """
    trials = [_trial(reference, name, pixels) for pixels in _noise(exported)]
    for original in photographs():
        reduced = bicubic_downscale(original, reference.scale)
        trials.append(_trial(reference, name, reduced, original))
    return trials


def _trial(
    reference: Session, name: str, pixels: np.ndarray, original: np.ndarray | None = None
) -> Trial:
    image = encode(pixels, reference.input)[np.newaxis, :, :, np.newaxis]
    return Trial(image, _run_session(reference, image, name), original)


def _noise(exported: tuple[int, int]) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(_SEED)
    height, width = (min(side, _MAX_NOISE_SIDE) for side in exported)
    for size in ((height, width), *_NOISE_SIZES):
        yield rng.integers(0, 256, size, dtype=np.uint8)


def photographs() -> Iterator[np.ndarray]:
    """The middle of each photograph as (H,W) uint8 luma; sides divisible by every scale.

    Raises:
        UserError: scikit-image is not installed.
    """
    data = require("skimage.data", "train")
    for name in PHOTOGRAPHS:
        luma = luminance(getattr(data, name)())
        top, left = ((size - _CROP) // 2 for size in luma.shape)
        yield np.ascontiguousarray(luma[top : top + _CROP, left : left + _CROP])


def compare(
    path: Path, session: Session, reference: str, trials: Sequence[Trial]
) -> list[Comparison]:
    """Run a file on all trials; the largest differences may not pass the limits above.

    Raises:
        VerificationError: the file cannot run or differs too much.
    """
    results = [_run_session(session, trial.image, path.name) for trial in trials]
    pairs = list(zip(trials, results, strict=True))
    noise = [pair for pair in pairs if pair[0].original is None]
    real = [pair for pair in pairs if pair[0].original is not None]
    records = [
        _record(path.name, session, "random", noise),
        _record(path.name, session, "real", real),
    ]
    for record in records:
        _gate(record, reference, session.output.dtype)
    return records


def _run_session(session: Session, image: np.ndarray, name: str) -> np.ndarray:
    try:
        result = session.run(image)
    except UserError as error:
        raise VerificationError(f"{name} does not run in {session.runtime}: {error}") from None
    if not np.isfinite(result).all():
        raise VerificationError(f"{name} in {session.runtime} gives values that are not finite")
    return result


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
        abs(_psnr(trial.original, result, session) - _psnr(trial.original, trial.expected, session))
        for trial, result in pairs
        if trial.original is not None
    ]
    return Comparison(
        file=name,
        runtime=session.runtime,
        inputs=inputs,
        values=differences.size,
        max_difference=round(float(differences.max()) / step, 6),
        differing_share=round(float(np.mean(differences != 0)), 6),
        psnr_difference=round(max(losses), 6) if losses else None,
    )


def _psnr(original: np.ndarray, result: np.ndarray, session: Session) -> float:
    return psnr(original, decode(result[0, :, :, 0], session.output), session.scale)


def _gate(record: Comparison, reference: str, dtype: str) -> None:
    subject = f"{record.file} in {record.runtime} differs from {reference}"
    if dtype == "float32" and record.max_difference > MAX_FLOAT_DIFFERENCE:
        raise VerificationError(
            f"{subject} by {record.max_difference:.3g}/255 on {record.inputs} images; "
            f"{MAX_FLOAT_DIFFERENCE}/255 is allowed"
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
