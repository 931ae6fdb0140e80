"""Synthetic records for reports, with random samples."""

import hashlib
from dataclasses import replace

import numpy as np

from edge_sr.records import (
    Case,
    Cold,
    Conditions,
    Device,
    File,
    Instructions,
    Memory,
    Network,
    Output,
    Record,
    Result,
    Sampling,
    Score,
    Software,
    Timing,
)

DEVICE = Device("A board", "a CPU", "aarch64", 4, "ondemand", 4 * 2**30, None, None)
SOFTWARE = Software("0.1.0", "a" * 40, "an OS", "3.11.2", {"numpy": "2.4.6"})
CONDITIONS = Conditions((1800.0, 1500.0), 51.2, (), 0.1, 10**12)
SCORES = (Score("set5", 36.1, 0.951), Score("set14", 32.1, 0.904))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def samples(median_ms: float, count: int = 60, seed: int = 0, spread: float = 0.01):
    """Return nanoseconds around a median."""
    drawn = np.random.default_rng(seed).lognormal(np.log(median_ms * 1e6), spread, count)
    return tuple(map(int, drawn))


def case(name="tinypssr-x2", runtime="engine", precision="int8", **more) -> Case:
    """Return a case; `more` are fields of Case or Network."""
    network = Network(name, "upscaler", precision, 1356, 24_883_200, None, SCORES)
    fields = {"delegate": "none", "threads": 1, "pinned": (), "height": 120, "width": 160}
    fields |= {"channels": 1, "board": None}
    of_network = {key: more.pop(key) for key in list(more) if key in Network.__annotations__}
    artifact = File(f"{precision}.tflite", 6512, digest(name + precision))
    network = replace(network, **({"artifact": artifact} | of_network))
    return Case(network, runtime, **(fields | more))


def timed(of: Case, median_ms: float, *, marks=(), right=True, seed=0, count=60, more=()) -> Result:
    """Return a measured result; `more` are (scope, median) of further timings."""
    first = Timing("run", "array to array", (10**6,), samples(median_ms, count, seed), True)
    others = [Timing(scope, scope, (), samples(ms, count, seed), True) for scope, ms in more]
    kind = "tflm arena" if of.runtime == "tflm" else "runtime arena"
    memory = [Memory("file", 6512, "the file"), Memory("peak rss", 31_000_000, "resident")]
    memory += [Memory(kind, of.width * of.height * 32, "tensors")]
    if of.runtime == "engine":
        memory += [Memory("engine ram", of.width * 100, "on a microcontroller")]
    output = Output(digest("out"), 76800, "tflm", digest("out"), 0.0, 0.0, 0.0, right)
    return Result(
        of, "measured", None, "2026-01-01T00:00:00Z", Cold(10**8, 10**6, 2 * 10**6),
        (first, *others), (), tuple(memory), output, None, CONDITIONS, CONDITIONS, 0.05, marks,
    )  # fmt: skip


def missing(of: Case, reason="no CUDA GPU was found", status="not measured") -> Result:
    return Result(
        of, status, reason, "2026-01-01T00:00:00Z", None, (), (), (), *(None,) * 5, marks=()
    )  # fmt: skip


def emulated(of: Case, frame: int) -> Result:
    """Return the result of an emulated board."""
    made = timed(of, 1.0, marks=("emulated",))
    memory = (Memory("engine ram", 16_000, "arena"), Memory("stack", 800, "stack"))
    return replace(
        made, timings=(), cold=None, memory=memory,
        instructions=Instructions("Cortex-M4", 120_000, frame),
    )  # fmt: skip


def record(*results: Result, suite=None, planned=None, device=DEVICE, **more) -> Record:
    planned = len(results) if planned is None else planned
    fields = {"started": "2026-01-01T00:00:00Z", "software": SOFTWARE}
    fields |= {"sampling": Sampling(0.3, 20, 1.0, 20_000, 6.0)}
    return Record(
        suite=suite, complete=planned == len(results), planned=planned, device=device,
        results=results, **(fields | more),
    )  # fmt: skip


def upscalers() -> Record:
    """Return two networks at three sizes in four runtimes, with all kinds of flags."""
    networks = (("tinypssr-x2", 0.9, 36.05), ("tinypssr-anchor-x2", 1.1, 36.1))
    speeds = (("engine", "none", 1.0), ("litert", "xnnpack", 1.3), ("onnx", "none", 2.1))
    results = []
    for number, (name, cost, psnr) in enumerate(networks):
        for width in (160, 320, 640):
            macs = 1296 * width * width * 3 // 4
            shared = {"height": width * 3 // 4, "width": width, "macs": macs}
            for runtime, delegate, slow in speeds:
                precisions = ("int8",) if runtime == "engine" else ("int8", "float32")
                for precision in precisions:
                    worse = 0.05 if precision == "int8" else 0.0
                    quality = (Score("set5", psnr - worse, 0.95),)
                    ms = cost * slow * (1.4 if precision == "float32" else 1) * macs / 2e7
                    of = case(
                        name, runtime, precision, delegate=delegate, quality=quality, **shared
                    )
                    marks = ("noisy",) if runtime == "onnx" and number else ()
                    results.append(timed(of, ms, marks=marks, seed=len(results)))
            results.append(missing(case(name, "onnx", delegate="cuda", **shared)))
    results.append(timed(case(runtime="tflm"), 0.1, right=False, marks=("wrong",)))
    results.append(timed(case(runtime="litert"), 1.9, more=(("end-to-end", 2.4),)))
    results.append(missing(case(runtime="keras", precision="float32"), "refused", "failed"))
    results.append(emulated(case(board="mps2-an386"), 92_000_000))
    return record(*results, suite="super-resolution", planned=len(results) + 4)


def codecs() -> Record:
    """Return the cases of the published table; those of a GPU are not measured."""
    results = []
    for name, cost in (("tinycompress-4", 1.0), ("tinycompress-16", 1.2)):
        for part, half in (("encoder", 1.0), ("decoder", 0.6)):
            shared = {"part": part, "height": 512, "width": 768, "channels": 3, "quality": ()}
            for threads in (1, 2):
                for runtime, slow in (("engine", 0.9), ("onnx", 1.4)):
                    for precision in ("int8",) if runtime == "engine" else ("int8", "float32"):
                        of = case(name, runtime, precision, threads=threads, **shared)
                        ms = 60 * cost * half * slow / threads
                        results.append(timed(of, ms, seed=len(results), count=30))
            results.append(missing(case(name, "onnx", "float32", delegate="cuda", **shared)))
    return record(*results, suite="execution-time", device=replace(DEVICE, name=None))
