"""Runs one case in a fresh process: `python -m benchmarks.measuring.worker JOB ANSWER`.

Both files are pickled by this package. No runtime is imported before the clock of the cold start
runs.
"""

import os
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.measuring import images
from benchmarks.measuring.device import own_ns, read_conditions
from benchmarks.measuring.job import Answer, Job
from benchmarks.measuring.memory import Baseline, runtime_memory
from benchmarks.measuring.native import import_runtime, kernels, on_device, open_session, operators
from benchmarks.measuring.sampler import measure, take, warm_up
from edge_sr.errors import UserError, VerificationError
from edge_sr.records import Cold, Sampling, Timing
from edge_sr.runtime.pixels import decode, encode
from edge_sr.runtime.session import Session

RUN = "input array to output array in the host's memory, with copies and transfers"
_DEVICE = "the network on the GPU, synchronized, without transfers"
_END_TO_END = "8-bit pixels to 8-bit pixels: conversion, network, conversion"


def main() -> None:
    """Read the job, run it, write the answer."""
    job_path, answer_path = map(Path, sys.argv[1:])
    job: Job = pickle.loads(job_path.read_bytes())
    try:
        answer = run(job)
    except (UserError, VerificationError) as error:
        answer = Answer(error=str(error))
    except MemoryError:
        answer = Answer(error=f"{job.artifact} at {job.width}x{job.height} needs too much memory")
    answer_path.write_bytes(pickle.dumps(answer))


def run(job: Job) -> Answer:
    """Run a job in this process.

    Raises:
        UserError: the runtime or its device is missing, or the artifact is refused.
    """
    if job.pinned:
        os.sched_setaffinity(0, job.pinned)
    channels = job.interface.channels
    pixels, _ = images.make(job.part, job.height, job.width, job.interface.scale, channels)
    image = encode(pixels, job.interface.input)[np.newaxis]
    baseline = Baseline.now()
    session, output, cold = _start(job, image)
    if job.sampling is None:
        np.save(job.output, output)
        return Answer(cold=cold)
    answer = _steady(job, session, image, pixels, cold, baseline)
    last = session.run(image)
    np.save(job.output, last)
    return Answer(**(vars(answer) | {"repeats": np.array_equal(output, last)}))


def _start(job: Job, image: np.ndarray) -> tuple[Session, np.ndarray, Cold]:
    clock = time.perf_counter_ns
    begin = clock()
    import_runtime(job)
    imported = clock()
    session = open_session(job)
    opened = clock()
    output = session.run(image)
    return session, output, Cold(imported - begin, opened - imported, clock() - opened)


def _steady(
    job: Job,
    session: Session,
    image: np.ndarray,
    pixels: np.ndarray,
    cold: Cold,
    baseline: Baseline,
) -> Answer:
    """Measure all but the cold start; memory is read before steps that need memory themselves."""
    assert job.sampling is not None
    warm, stable = warm_up(lambda: session.run(image), job.sampling.warmup_s)
    before, own, begin = read_conditions(), own_ns(), time.perf_counter_ns()
    samples = take(lambda: session.run(image), job.sampling)
    own, wall, after = own_ns() - own, time.perf_counter_ns() - begin, read_conditions()
    peak = baseline.peak()
    timings = [Timing("run", RUN, tuple(warm), tuple(samples), stable)]
    timings += _more_timings(job, session, image, pixels, job.sampling)
    return Answer(
        cold=cold,
        timings=tuple(timings),
        operators=operators(job, image),
        memory=(peak, *runtime_memory(job, session)),
        before=before,
        after=after,
        own_ns=own,
        wall_ns=wall,
        kernels=kernels(session),
    )


def _more_timings(
    job: Job, session: Session, image: np.ndarray, pixels: np.ndarray, sampling: Sampling
) -> list[Timing]:
    timings = []
    if job.delegate == "cuda":
        timings.append(measure(on_device(session, image), sampling, "device", _DEVICE))
    if job.end_to_end:
        timings.append(measure(_whole(session, pixels), sampling, "end-to-end", _END_TO_END))
    return timings


def _whole(session: Session, pixels: np.ndarray) -> Callable[[], object]:
    def work() -> object:
        image = encode(pixels, session.input)[np.newaxis]
        return decode(session.run(image)[0], session.output)

    return work


if __name__ == "__main__":
    main()
