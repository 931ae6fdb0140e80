"""Runs one case in a fresh process: `python -m benchmarks.measuring.worker JOB ANSWER`.

Both files are pickled by this package. No runtime is imported before the clock of the cold start
runs.
"""

import os
import pickle
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.measuring.device import own_ns, read_conditions
from benchmarks.measuring.job import Answer, Job, save_outputs
from benchmarks.measuring.load import ImageLoad, Load, NoiseLoad, Opened, load_of
from benchmarks.measuring.memory import Baseline, runtime_memory
from benchmarks.measuring.native import import_runtime, kernels, on_device, operators
from benchmarks.measuring.sampler import measure, take, warm_up
from edge_sr.errors import UserError, VerificationError
from edge_sr.records import Cold, Sampling, Timing
from edge_sr.runtime.session import Session

RUN = "input array to output array in the host's memory, with copies and transfers"
_DEVICE = "the network on the GPU, synchronized, without transfers"
_END_TO_END = "8-bit pixels to 8-bit pixels: conversion, network, conversion"


def main() -> None:
    """Read the job, run it, write the answer."""
    job_path, answer_path = map(Path, sys.argv[1:])
    job: Job = pickle.loads(job_path.read_bytes())
    answer_path.write_bytes(pickle.dumps(do(job)))


def do(job: Job) -> Answer:
    """Run a job in this process, and answer with its error if it has one."""
    try:
        return run(job)
    except (UserError, VerificationError) as error:
        return Answer(error=str(error))
    except MemoryError:
        return Answer(error=f"{job.artifact} at {job.width}x{job.height} needs too much memory")


def run(job: Job) -> Answer:
    """Run a job in this process.

    Raises:
        UserError: the runtime or its device is missing, or the artifact is refused.
    """
    if job.pinned:
        os.sched_setaffinity(0, job.pinned)
    load = load_of(job)
    baseline = Baseline.now()
    opened, first, cold = _start(job, load)
    if job.sampling is None:
        save_outputs(job.output, load.outputs(opened))
        return Answer(cold=cold)
    answer = _steady(job, load, opened, cold, baseline)
    outputs = load.outputs(opened)
    save_outputs(job.output, outputs)
    again = zip(first, outputs, strict=False)
    repeats = all(np.array_equal(before, after, equal_nan=True) for before, after in again)
    return Answer(**(vars(answer) | {"repeats": repeats}))


def _start(job: Job, load: Load) -> tuple[Opened, list[np.ndarray], Cold]:
    clock = time.perf_counter_ns
    begin = clock()
    import_runtime(job)
    imported = clock()
    opened = load.open()
    ready = clock()
    outputs = load.run(opened)
    return opened, outputs, Cold(imported - begin, ready - imported, clock() - ready)


def _steady(
    job: Job, load: ImageLoad | NoiseLoad, opened: Opened, cold: Cold, baseline: Baseline
) -> Answer:
    """Measure all but the cold start; memory is read before steps that need memory themselves."""
    assert job.sampling is not None

    def work() -> object:
        return load.run(opened)

    warm, stable = warm_up(work, job.sampling.warmup_s)
    before, own, begin = read_conditions(), own_ns(), time.perf_counter_ns()
    samples = take(work, job.sampling)
    own, wall, after = own_ns() - own, time.perf_counter_ns() - begin, read_conditions()
    peak = baseline.peak()
    timings = [Timing("run", RUN, tuple(warm), tuple(samples), stable)]
    timings += _more_timings(job, load, opened, job.sampling)
    return Answer(
        cold=cold,
        timings=tuple(timings),
        operators=operators(job, load.open, load.run),
        memory=(peak, *runtime_memory(job, opened)),
        before=before,
        after=after,
        own_ns=own,
        wall_ns=wall,
        kernels=kernels(opened),
    )


def _more_timings(
    job: Job, load: ImageLoad | NoiseLoad, opened: Opened, sampling: Sampling
) -> list[Timing]:
    timings = []
    if job.delegate == "cuda":
        inputs = [load.image] if isinstance(load, ImageLoad) else load.inputs[0]
        timings.append(measure(on_device(opened, inputs), sampling, "device", _DEVICE))
    if job.end_to_end and isinstance(load, ImageLoad):
        assert isinstance(opened, Session)
        timings.append(measure(load.end_to_end(opened), sampling, "end-to-end", _END_TO_END))
    return timings


if __name__ == "__main__":
    main()
