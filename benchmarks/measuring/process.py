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

_START_SECONDS = 600  # for what takes no samples: imports, the cold start, profiling, a reference
_TIMED_SCOPES = 3


def do(job: Job) -> Answer:
    """Do a job; whatever becomes of the process, there is an answer.

    Ctrl-C ends the process and is raised.
    """
    with tempfile.TemporaryDirectory(prefix="edge-sr-") as name:
        folder = Path(name)
        (folder / "job").write_bytes(pickle.dumps(job))
        # -P: a folder of the name "benchmarks" where the user stands is none of ours.
        command = [sys.executable, "-P", "-m", "benchmarks.measuring.worker", "job", "answer"]
        command[-2:] = [str(folder / "job"), str(folder / "answer")]
        with (folder / "log").open("w+b") as log:
            code = _wait(command, job, log.fileno())
            log.seek(0)
            said = log.read().decode(errors="replace").strip().splitlines()
        if code == 0:
            answer: Answer = pickle.loads((folder / "answer").read_bytes())
            return answer
    return Answer(error=_reason(code, said))


def _wait(command: list[str], job: Job, log: int) -> int | None:
    """The process's exit code; None if it took too long.

    In a session of its own it hears of no Ctrl-C but through us.
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
    """TensorFlow is told its threads by the environment alone, and keeps to the CPU."""
    threads = str(job.threads)
    keras = {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": "1"}
    hidden = {} if job.delegate == "cuda" else {"CUDA_VISIBLE_DEVICES": "-1"}
    return {**os.environ, **(keras if job.runtime == "keras" else {}), **hidden}


def _reason(code: int | None, said: list[str]) -> str:
    if code is None:
        return "the process did not end in time and was stopped"
    if code < 0:
        number = -code
        known = {item.value: item.name for item in signal.Signals}.get(number, str(number))
        hint = "; memory may have run out" if number == signal.SIGKILL else ""
        return f"the process was ended by {known}{hint}"
    return f"the process ended with exit code {code}: {said[-1] if said else 'it said nothing'}"
