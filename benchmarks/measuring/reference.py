"""Compares a case's output with a reference: the same network in another runtime."""

import hashlib
import importlib.util
import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.measuring import images, process
from benchmarks.measuring.job import Job, load_outputs
from benchmarks.measuring.subject import Subject
from edge_sr import graph
from edge_sr.graph import read_bytes, read_graph
from edge_sr.records import Delegate, Output, RuntimeName
from edge_sr.runtime.agreement import Agreement, agreement, array_agreement
from edge_sr.runtime.runtimes import RUNTIMES
from edge_sr.runtime.session import Interface

_MAX_TFLM_BYTES = 2**29  # arena size up to which TFLM is run
_CHOICES: dict[str, tuple[tuple[RuntimeName, Delegate], ...]] = {
    "int8": (("engine", "none"), ("tflm", "none"), ("litert", "none"), ("litert", "xnnpack")),
    "float32": (("litert", "none"), ("onnx", "none"), ("litert", "xnnpack")),
}
"""In order of preference. The engine gives TFLM's bits, and TFLM is slow on large frames."""


class References:
    """Reference outputs, kept in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[tuple[object, ...], Path | None] = {}

    def judge(self, job: Job, subject: Subject, repeats: bool) -> Output:
        """Compare the output of a job with a reference.

        Args:
            job: that was run.
            subject: its network.
            repeats: whether every run gave the same output; if not, the output is wrong.
        """
        outputs = load_outputs(job.output)
        for runtime, delegate in _CHOICES[subject.precision]:
            path = self._make(job, subject, runtime, delegate)
            if path is not None:
                return _compare(job, subject, outputs, load_outputs(path), runtime, repeats)
        right = None if repeats else False
        return Output(_digest(outputs), _bytes(outputs), *(None,) * 5, right=right)

    def _make(
        self, job: Job, subject: Subject, runtime: RuntimeName, delegate: Delegate
    ) -> Path | None:
        """Return the file of a reference output; None for the job's own or a missing runtime."""
        artifact = subject.files.get(RUNTIMES[runtime].suffix)
        if artifact is None or (runtime, delegate) == (job.runtime, job.delegate):
            return None
        if not _possible(job, subject, artifact, runtime):
            return None
        key = (artifact, runtime, delegate, job.height, job.width)
        if key not in self._files:
            path = self._folder / f"reference-{len(self._files)}.npz"
            reference = replace(
                job, artifact=artifact, runtime=runtime, delegate=delegate, threads=1, pinned=(),
                sampling=None, end_to_end=False, output=path,
            )  # fmt: skip
            self._files[key] = path if process.do(reference).error is None else None
        return self._files[key]


def _possible(job: Job, subject: Subject, artifact: Path, runtime: str) -> bool:
    if importlib.util.find_spec(RUNTIMES[runtime].package) is None:
        return False
    return runtime != "tflm" or fits_tflm(subject, artifact, job.height, job.width)


def fits_tflm(subject: Subject, artifact: Path, height: int, width: int) -> bool:
    """Return whether TFLM's arena for an image of that size is surely at most 512 MiB."""
    from edge_sr.runtime.tflm import arena_bound

    model = read_bytes(artifact)
    if subject.is_sized:
        model = graph.resize(model, *subject.sides(height, width))
    return arena_bound(read_graph(model)) <= _MAX_TFLM_BYTES


def _compare(
    job: Job,
    subject: Subject,
    outputs: list[np.ndarray],
    references: list[np.ndarray],
    runtime: str,
    repeats: bool,
) -> Output:
    if isinstance(subject.interface, Interface):
        agreed = _compare_images(job, subject, subject.interface, outputs[0], references[0])
    else:
        exact = {job.runtime, runtime} == {"engine", "tflm"}
        agreed = array_agreement(outputs, references, subject.precision, exact)
    return Output(
        sha256=_digest(outputs),
        bytes=_bytes(outputs),
        reference=runtime,
        reference_sha256=_digest(references),
        max_difference=agreed.max_difference,
        differing_share=agreed.differing_share,
        psnr_difference=agreed.psnr_difference,
        right=agreed.right and repeats,
        decision=agreed.decision,
        top_agreement=agreed.top_agreement,
    )


def _compare_images(
    job: Job, subject: Subject, interface: Interface, output: np.ndarray, reference: np.ndarray
) -> Agreement:
    scale, original = interface.scale, None
    if subject.part == "upscaler":
        channels = interface.channels
        _, original = images.make("upscaler", job.height, job.width, scale, channels)
        original = original[..., 0] if channels == 1 else original
    passes = 1 if subject.part == "upscaler" else _passes(interface)
    spec = interface.output
    return agreement(output, reference, spec, original, scale, passes, subject.precision)


def _passes(interface: Interface) -> int:
    """Return how often a codec's part halves or doubles both sides."""
    return max(1, round(math.log2(max(interface.scale, interface.shrink))))


def _digest(outputs: list[np.ndarray]) -> str:
    return hashlib.sha256(b"".join(output.tobytes() for output in outputs)).hexdigest()


def _bytes(outputs: list[np.ndarray]) -> int:
    return sum(output.nbytes for output in outputs)
