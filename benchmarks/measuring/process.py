"""Runs a job in a fresh process and waits for its answer."""

import os
import pickle
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measuring.job import Answer, Job
from benchmarks.measuring.sampler import PATIENCE

_START_SECONDS = 600  # for all but samples: imports, cold start, profiling, a reference
_TIMED_SCOPES = 3


def do(job: Job) -> Answer:
    """Do a job and return its answer; if the process failed, `Answer.error` says why.

    Ctrl-C ends the process and is raised again.
    """
    with tempfile.TemporaryDirectory(prefix="edge-sr-") as name:
        folder = Path(name)
        (folder / "job").write_bytes(pickle.dumps(job))
        # -P: a folder "benchmarks" in the current folder must not be imported.
        command = [sys.executable, "-P", "-m", "benchmarks.measuring.worker", "job", "answer"]
        command[-2:] = [str(folder / "job"), str(folder / "answer")]
        with (folder / "log").open("w+b") as log:
            code = _wait(command, job, log.fileno())
            log.seek(0)
            output = log.read().decode(errors="replace").strip().splitlines()
        if code == 0:
            answer: Answer = pickle.loads((folder / "answer").read_bytes())
            return answer
    return Answer(error=_reason(code, output))


def _wait(command: list[str], job: Job, log: int) -> int | None:
    """Return the process's exit code; None if it took too long.

    The process has its own session, so that a terminal's Ctrl-C reaches this process alone.
    """
    environment = _environment(job)
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
        start_new_session=True,
    )  # fmt: skip
    try:
        return process.wait(_limit(job))
    except subprocess.TimeoutExpired:
        return None
    finally:
        process.kill()
        process.wait()


def _limit(job: Job) -> float:
    if job.sampling is None:
        return _START_SECONDS
    scope = PATIENCE * job.sampling.warmup_s + job.sampling.max_seconds
    return _START_SECONDS + 2 * _TIMED_SCOPES * scope


def _environment(job: Job) -> dict[str, str]:
    """Return the environment of the process: TensorFlow's threads, and a GPU for CUDA alone."""
    threads = str(job.threads)
    keras = {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": "1"}
    hidden = {} if job.delegate == "cuda" else {"CUDA_VISIBLE_DEVICES": "-1"}
    return {**os.environ, **(keras if job.runtime == "keras" else {}), **hidden}


def _reason(code: int | None, output: list[str]) -> str:
    if code is None:
        return "the process took too long and was stopped"
    if code < 0:
        number = -code
        known = {item.value: item.name for item in signal.Signals}.get(number, str(number))
        hint = "; it may have run out of memory" if number == signal.SIGKILL else ""
        return f"the process was ended by {known}{hint}"
    return f"the process ended with exit code {code}: {output[-1] if output else 'no output'}"
