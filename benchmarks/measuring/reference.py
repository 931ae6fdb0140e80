"""Compares a case's output with a reference: the same network in another runtime."""

import hashlib
import importlib.util
import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.measuring import images, process
from benchmarks.measuring.job import Job
from benchmarks.measuring.subject import Subject
from edge_sr import graph
from edge_sr.graph import read_bytes, read_graph
from edge_sr.records import Delegate, Output, RuntimeName
from edge_sr.runtime.agreement import agreement
from edge_sr.runtime.runtimes import RUNTIMES

_MAX_TFLM_BYTES = 2**29  # arena size up to which TFLM serves as the reference
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
        output = np.load(job.output)
        digest = _digest(output)
        for runtime, delegate in _CHOICES[subject.precision]:
            path = self._make(job, subject, runtime, delegate)
            if path is not None:
                return _compare(job, subject, output, np.load(path), runtime, repeats)
        return Output(digest, output.nbytes, *(None,) * 5, right=None if repeats else False)

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
            path = self._folder / f"reference-{len(self._files)}.npy"
            reference = replace(
                job, artifact=artifact, runtime=runtime, delegate=delegate, threads=1, pinned=(),
                sampling=None, end_to_end=False, output=path,
            )  # fmt: skip
            self._files[key] = path if process.do(reference).error is None else None
        return self._files[key]


def _possible(job: Job, subject: Subject, artifact: Path, runtime: str) -> bool:
    if importlib.util.find_spec(RUNTIMES[runtime].package) is None:
        return False
    if runtime != "tflm":
        return True
    from edge_sr.runtime.tflm import arena_bound

    sides = subject.sides(job.height, job.width)
    model = graph.resize(read_bytes(artifact), *sides)
    return arena_bound(read_graph(model)) <= _MAX_TFLM_BYTES


def _compare(
    job: Job,
    subject: Subject,
    output: np.ndarray,
    reference: np.ndarray,
    runtime: str,
    repeats: bool,
) -> Output:
    scale, original = subject.interface.scale, None
    if subject.part == "upscaler":
        channels = subject.interface.channels
        _, original = images.make("upscaler", job.height, job.width, scale, channels)
        original = original[..., 0] if channels == 1 else original
    spec, passes = subject.interface.output, _passes(subject)
    agreed = agreement(output, reference, spec, original, scale, passes)
    return Output(
        sha256=_digest(output),
        bytes=output.nbytes,
        reference=runtime,
        reference_sha256=_digest(reference),
        max_difference=agreed.max_difference,
        differing_share=agreed.differing_share,
        psnr_difference=agreed.psnr_difference,
        right=agreed.right and repeats,
        decision=agreed.decision,
    )


def _passes(subject: Subject) -> int:
    """Return how often a codec's part halves or doubles both sides; 1 for an upscaler."""
    if subject.part == "upscaler":
        return 1
    ratio = max(subject.interface.scale, subject.interface.shrink)
    return max(1, round(math.log2(ratio)))


def _digest(output: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(output).tobytes()).hexdigest()
