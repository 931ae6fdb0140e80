"""Cases in fresh processes: records agree with independent measurements."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.measuring import device, flags, images, process, reference, sampler, subject, suites
from benchmarks.measuring.job import Answer, Job
from benchmarks.measuring.measure import Task, measure
from benchmarks.measuring.memory import Baseline
from benchmarks.measuring.native import on_device
from edge_sr import records
from edge_sr.engine.binding import Engine
from edge_sr.engine.plan import make_plan
from edge_sr.errors import UserError
from edge_sr.graph import macs, parameters, read_graph, resize
from edge_sr.records import Conditions, Decision, Record, Sampling, Timing
from edge_sr.runtime.agreement import agreement
from edge_sr.runtime.opening import open_session
from edge_sr.runtime.pixels import encode
from edge_sr.runtime.session import Interface, TensorSpec
from edge_sr.zoo import catalog
from export.onnx import from_tflite

SHORT = Sampling(warmup_s=0.01, samples=3, seconds=0.01, max_samples=50, max_seconds=1.0)
HEIGHT, WIDTH = 24, 40
INT8 = catalog.find("tinypssr-x2").file("int8", ".tflite")


def case(backend: str, precision: str = "int8", **more: object) -> suites.CaseRequest:
    return replace(
        suites.request("tinypssr-x2", "upscaler", precision, backend, 1, (HEIGHT, WIDTH)), **more
    )


def run(*cases: suites.CaseRequest, **more: object) -> Record:
    return measure(Task(None, cases, SHORT, **more), lambda _: None)


@pytest.fixture(scope="module")
def record() -> Record:
    """A case of every installed runtime."""
    backends = ["litert", "litert-plain", "onnx", "engine", "tflm"]
    int8 = [case(backend, end_to_end=backend == "engine") for backend in backends]
    return run(*int8, case("litert", "float32"), case("onnx", "float32"))


def test_every_runtime_is_measured_and_right(record):
    for result in record.results:
        assert (result.status, result.reason) == ("measured", None)
        assert result.output.right, result
        assert "wrong" not in result.marks
        assert len(result.timing("run").samples_ns) >= SHORT.samples
        assert result.cold.load_ns > 0
    assert record.complete
    assert records.loads(records.dumps(record).encode()) == record


@pytest.mark.parametrize(
    ("index", "runtime", "kind"),
    [(0, "litert", "int8"), (2, "onnx", "int8"), (3, "engine", "int8"), (5, "litert", "float32")],
)
def test_the_output_is_that_of_the_session_in_this_process(record, index, runtime, kind):
    result = record.results[index]
    suffix = ".onnx" if runtime == "onnx" else ".tflite"
    session = open_session(catalog.find("tinypssr-x2").file(kind, suffix), runtime)
    pixels, _ = images.make("upscaler", HEIGHT, WIDTH, 2, 1)
    output = session.run(encode(pixels, session.input)[np.newaxis])
    assert result.output.sha256 == hashlib.sha256(output.tobytes()).hexdigest()
    assert result.output.bytes == output.nbytes


def test_the_engine_and_tflm_give_the_same_bits(record):
    engine, tflm = record.results[3:5]
    assert engine.output.sha256 == tflm.output.sha256
    assert (engine.output.reference, tflm.output.reference) == ("tflm", "engine")


def test_the_facts_of_the_network_are_those_of_its_file(record):
    path = catalog.find("tinypssr-x2").file("int8", ".tflite")
    network = record.results[0].case.network
    sized = read_graph(resize(path.read_bytes(), HEIGHT, WIDTH))
    assert (network.parameters, network.macs) == (parameters(sized), macs(sized))
    assert network.artifact.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (
        network.quality[0].psnr == catalog.find("tinypssr-x2").card.scores("int8")["set5"]["psnr"]
    )


def test_memory_figures_of_each_runtime(record):
    litert, _, onnx, engine, tflm = record.results[:5]
    assert {item.kind for item in onnx.memory} == {"file", "peak rss"}
    assert {item.kind for item in engine.memory} > {"engine ram", "flash", "weights"}
    assert next(item.bytes for item in litert.memory if item.kind == "runtime arena") > 0
    # Two maps of 16 channels live at once; TFLM reports 2*W*H*16 + 1,524.
    arena = next(item.bytes for item in tflm.memory if item.kind == "tflm arena")
    assert 2 * HEIGHT * WIDTH * 16 < arena < 2 * HEIGHT * WIDTH * 16 + 4096


def test_operators_come_from_onnx_runtime_alone(record):
    onnx = record.results[2]
    kinds = {operator.name: operator.count for operator in onnx.operators}
    assert kinds["QLinearConv"] + kinds.get("Conv", 0) == 4
    assert {operator.device for operator in onnx.operators} == {"CPU"}
    assert record.results[0].operators == ()


def test_the_engines_kernels_are_recorded(record):
    kernels = [result.kernels for result in record.results]
    assert kernels[3] == Engine(make_plan(read_graph(INT8)).blob, WIDTH).kernels
    assert [*kernels[:3], *kernels[4:]] == [None] * 6


def test_the_kernels_that_the_environment_allows_are_recorded(monkeypatch):
    monkeypatch.setenv("EDGE_SR_KERNELS", "portable")
    assert run(case("engine")).results[0].kernels == "portable"


def test_pixels_to_pixels_is_timed_in_addition_to_the_run(record):
    assert [timing.scope for timing in record.results[3].timings] == ["run", "end-to-end"]
    assert [timing.scope for timing in record.results[0].timings] == ["run"]


def test_missing_devices_and_networks_are_not_measured(monkeypatch):
    monkeypatch.setattr(device, "_gpu", lambda: None)
    made = run(
        case("onnx-cuda"),
        case("engine", threads=64),
        suites.request("tinycompress-7", "encoder", "int8", "engine", 1, (HEIGHT, WIDTH)),
    )
    assert [result.status for result in made.results] == ["not measured"] * 3
    reasons = [result.reason for result in made.results]
    assert reasons[0] == "no CUDA GPU was found"
    assert "64 threads are more than the" in reasons[1]
    assert "not shipped" in reasons[2]
    assert made.complete


def test_a_codecs_parts_are_measured_in_every_runtime(stand_ins):
    cases = [
        suites.request("tinycompress-4", part, precision, backend, 1, (32, 48))
        for part in ("encoder", "decoder")
        for precision, backend in (("int8", "engine"), ("int8", "onnx"), ("float32", "litert"))
    ]
    made = run(*cases, convert=from_tflite)
    assert [(result.status, result.reason) for result in made.results] == [("measured", None)] * 6
    assert all(result.output.right for result in made.results)
    sizes = [result.output.bytes for result in made.results]
    assert sizes[:2] == [16 * 24 * 3] * 2
    assert sizes[3:5] == [32 * 48 * 3] * 2


def test_without_a_converter_a_codec_has_no_onnx(stand_ins):
    case = suites.request("tinycompress-4", "encoder", "int8", "onnx", 1, (32, 48))
    (result,) = run(case).results
    assert (result.status, result.reason) == (
        "not measured",
        "tinycompress-4 has no .onnx file, which onnx opens",
    )


def test_an_unsupported_size_fails_alone(stand_ins):
    case = suites.request("tinycompress-4", "encoder", "int8", "engine", 1, (33, 48))
    (result,) = run(case).results
    assert (result.status, result.reason) == (
        "failed",
        "tinycompress-4 needs sides that are multiples of 2 pixels, not 48x33",
    )


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen here")
def test_a_pinned_case_records_its_cores():
    core = device.cores()[-1]
    (result,) = run(case("engine", pinned=(core,))).results
    assert result.status == "measured"
    assert result.case.pinned == (core,)


def test_an_interrupted_record_is_resumed(record):
    cases = (case("engine"), case("litert"))
    first = run(*cases)
    previous = replace(first, results=first.results[:1], complete=False)
    seen: list[Record] = []
    again = measure(Task(None, cases, SHORT), seen.append, previous)
    assert again.results[0] is previous.results[0]
    assert [(len(step.results), step.complete) for step in seen] == [
        (1, False),
        (1, False),
        (2, True),
    ]


def refused_resume(previous: Record, *cases: suites.CaseRequest) -> str:
    """Return why it is not resumed; `keep` must not be called, which would replace it."""
    seen: list[Record] = []
    with pytest.raises(UserError) as refusal:
        measure(Task(None, cases, SHORT), seen.append, previous)
    assert seen == []
    return str(refusal.value)


def test_a_record_of_other_cases_is_not_replaced(record):
    cases = (case("engine"), case("litert"))
    previous = replace(record, results=(record.results[3], record.results[0]), planned=2)
    other = replace(previous, device=replace(previous.device, cpu="another"))
    assert "start a new record" in refused_resume(other, *cases)
    assert "holds other cases, such as tinypssr-x2" in refused_resume(previous, cases[0])


def test_previous_results_stay_until_they_are_replaced(record, monkeypatch):
    """An interruption must not lose a previous result before its new one."""
    failed = replace(record.results[3], status="failed", reason="a full disk", timings=())
    previous = replace(record, results=(failed, record.results[0]), planned=3, complete=False)
    cases = (case("engine"), case("tflm"), case("litert"))
    seen: list[Record] = []

    def interrupt(job: Job) -> Answer:
        raise KeyboardInterrupt

    monkeypatch.setattr(process, "do", interrupt)
    with pytest.raises(KeyboardInterrupt):
        measure(Task(None, cases, SHORT), seen.append, previous)
    assert [step.results for step in seen] == [previous.results]


# --- processes that fail


def job(tmp_path: Path) -> Job:
    found = subject.find("tinypssr-x2", "upscaler", "int8")
    return Job(
        *(found.files[".tflite"], "engine", "none", 1, (), "upscaler", found.interface),
        *(HEIGHT, WIDTH, SHORT, False, tmp_path / "out.npz"),
    )


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL; it may have run out of memory"),
        ("import os; os.abort()", "SIGABRT"),
        ("import sys; print('gone\\nbad luck'); sys.exit(3)", "exit code 3: bad luck"),
    ],
)
def test_a_process_that_ends_early_is_one_sentence(tmp_path, monkeypatch, program, reason):
    begin = subprocess.Popen
    monkeypatch.setattr(
        process.subprocess,
        "Popen",
        lambda command, **more: begin([sys.executable, "-c", program], **more),
    )
    answer = process.do(job(tmp_path))
    assert reason in answer.error
    assert answer == Answer(error=answer.error)


def test_a_process_that_does_not_end_is_stopped(tmp_path, monkeypatch):
    begin = subprocess.Popen
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    monkeypatch.setattr(process.subprocess, "Popen", lambda _, **more: begin(command, **more))
    monkeypatch.setattr(process, "_limit", lambda _: 0.2)
    assert process.do(job(tmp_path)).error == "the process took too long and was stopped"


def test_a_folder_called_benchmarks_is_not_imported(tmp_path, monkeypatch):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "__init__.py").write_text("raise SystemExit('the wrong one')")
    monkeypatch.chdir(tmp_path)
    assert process.do(job(tmp_path)).error is None


# --- memory


def test_peak_memory_includes_a_known_allocation():
    code = (
        "from benchmarks.measuring.memory import Baseline\nimport numpy as np\n"
        "before = Baseline.now()\nlarge = np.ones(80_000_000, np.uint8)\ndel large\n"
        "print(before.peak().bytes)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # The kernel counts pages by batches of some tens for each thread.
    assert 79_000_000 <= int(done.stdout) < 84_000_000


def test_memory_held_before_the_baseline_is_not_counted():
    held = np.ones(60_000_000, np.uint8)
    peak = Baseline.now().peak()
    assert peak.bytes < 20_000_000
    del held


# --- outputs


def test_a_wrong_output_is_found():
    spec = TensorSpec("int8", 1 / 255, -128)
    _, large = images.make("upscaler", 32, 32, 2, 1)
    right = encode(large, spec)[np.newaxis]
    shifted = np.roll(right, 1, axis=2)
    assert agreement(right, right, spec, large[..., 0], 2).right
    assert not agreement(shifted, right, spec, large[..., 0], 2).right
    assert not agreement(shifted, right, spec).right
    assert agreement(np.clip(right + 1, -128, 127).astype(np.int8), right, spec).right


@pytest.mark.parametrize(("passes", "most"), [(1, 1), (2, 2), (3, 3), (4, 4)])
def test_a_codecs_part_may_differ_by_a_step_per_iteration(passes, most):
    spec = TensorSpec("int8", 1 / 255, -128)
    due = np.zeros((1, 8, 8, 3), np.int8)
    assert agreement(due + np.int8(most), due, spec, passes=passes).right
    beyond = agreement(due + np.int8(most + 1), due, spec, passes=passes)
    assert not beyond.right
    assert beyond.decision == Decision("rms difference", most + 1.0, float(most))


@pytest.mark.parametrize(("rate", "passes"), [(4, 1), (16, 2), (64, 3), (256, 4)])
def test_iterations_follow_from_the_sizes(rate, passes):
    side = round(rate**0.5)
    spec = TensorSpec("int8")
    for scale, shrink in ((1, side), (side, 1)):
        interface = Interface(scale, 0, spec, spec, channels=3, shrink=shrink)
        assert reference._passes(interface) == passes


def test_float_outputs_may_differ_by_a_quarter_of_a_step():
    spec = TensorSpec("float32")
    reference_ = np.full((1, 8, 8, 1), 0.5, np.float32)
    assert agreement(reference_ + np.float32(0.2 / 255), reference_, spec).right
    assert not agreement(reference_ + np.float32(0.3 / 255), reference_, spec).right
    assert not agreement(reference_ * np.nan, reference_, spec).right


def test_an_output_that_changes_from_run_to_run_is_wrong(tmp_path):
    one = job(tmp_path)
    found = subject.find("tinypssr-x2", "upscaler", "int8")
    assert process.do(one).error is None
    references = reference.References(tmp_path)
    assert references.judge(one, found, repeats=True).right is True
    assert references.judge(one, found, repeats=False).right is False


def test_a_bound_output_is_the_sessions_own():
    """The CPU runs the same binding as a GPU."""
    session = open_session(catalog.find("tinypssr-x2").file("int8", ".onnx"), "onnx")
    image = np.zeros((1, 8, 8, 1), np.int8)
    assert on_device(session, [image], "cpu")() is not None


# --- sampling


@pytest.mark.parametrize(
    ("sampling", "least", "most"),
    [
        (Sampling(0.001, 7, 0.0001, 100, 9.0), 7, 100),
        (Sampling(0.001, 1, 0.02, 10**6, 9.0), 2, 10**6),
        (Sampling(0.001, 50, 9.0, 60, 9.0), 60, 60),
    ],
)
def test_samples_end_by_count_and_by_time(sampling, least, most):
    times = sampler.take(lambda: None, sampling)
    assert least <= len(times) <= most
    assert min(times) >= 0


def test_warm_up_lasts_until_the_times_are_stable():
    assert sampler.is_stable([100] * 6)
    assert not sampler.is_stable([100] * 5)
    assert not sampler.is_stable([400, 300, 200, 100, 50, 25])
    assert sampler.is_stable([900, 500, 100, 101, 100, 99])
    assert not sampler.is_stable([100] * 20 + [110] * 13)


# --- the device


def system(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


CPU = "sys/devices/system/cpu/cpu0/cpufreq"


def test_a_raspberry_pi_is_read(tmp_path, monkeypatch):
    root = system(
        tmp_path,
        {
            "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
            "proc/cpuinfo": "processor\t: 0\nmodel name\t: ARMv7 Processor rev 3 (v7l)\n",
            "proc/meminfo": "MemTotal:        3884372 kB\nMemFree: 1 kB\n",
            "proc/loadavg": "0.25 0.10 0.05 1/200 999\n",
            "proc/stat": "cpu  100 0 50 1000 9 0 0 0 0 0\n",
            f"{CPU}/scaling_governor": "ondemand\n",
            f"{CPU}/scaling_cur_freq": "1500000\n",
            "sys/class/thermal/thermal_zone0/temp": "61342\n",
            "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
        },
    )
    found = device.read_device(root)
    assert found.name == "Raspberry Pi 4 Model B Rev 1.4"
    assert found.cpu == "ARMv7 Processor rev 3 (v7l)"
    assert (found.governor, found.ram_bytes) == ("ondemand", 3884372 * 1024)
    now = device.read_conditions(root)
    assert (now.frequencies_mhz, now.temperature_c, now.load) == ((1500.0,), 61.342, 0.25)
    assert now.throttling == (
        *("under-voltage now", "throttled now"),
        *("under-voltage since start", "throttled since start"),
    )
    assert now.busy_ns == 150 * 10**9 // os.sysconf("SC_CLK_TCK")


def test_vcgencmd_is_used_where_the_kernel_has_no_flags(tmp_path, monkeypatch):
    monkeypatch.setattr(device, "_output_of", lambda *command: "throttled=0x8")
    assert device.read_conditions(tmp_path).throttling == ("soft temperature limit now",)


def test_a_device_without_facts_is_read(tmp_path):
    now = device.read_conditions(tmp_path)
    assert now == Conditions((), None, (), None, None)
    assert device.read_device(tmp_path).ram_bytes is None


def test_qemu_is_recognized(tmp_path, monkeypatch):
    monkeypatch.setattr(device.platform, "machine", lambda: "aarch64")
    assert device.read_device(tmp_path).emulated is None
    system(tmp_path, {"proc/cpuinfo": "vendor_id\t: AuthenticAMD\n"})
    assert device.read_device(tmp_path).emulated == "QEMU"


CALM = Conditions((1500.0, 1400.0), 50.0, (), 0.1, 0)
STEADY = Timing("run", "", (), (100, 101, 102), True)


@pytest.mark.parametrize(
    ("timing", "before", "after", "others", "expected"),
    [
        (STEADY, CALM, CALM, 0.0, []),
        (STEADY, CALM, CALM, None, []),
        (STEADY, CALM, CALM, 0.5, ["noisy"]),
        (replace(STEADY, samples_ns=(100, 150, 200)), CALM, CALM, 0.0, ["noisy"]),
        (replace(STEADY, stable=False), CALM, CALM, 0.0, ["unstable"]),
        (STEADY, CALM, replace(CALM, frequencies_mhz=(1000.0,)), 0.0, ["throttled"]),
        (STEADY, CALM, replace(CALM, throttling=("throttled now",)), 0.0, ["throttled"]),
        (STEADY, CALM, replace(CALM, throttling=("throttled since start",)), 0.0, ["throttled"]),
    ],
)
def test_flags(timing, before, after, others, expected):
    assert flags.find((timing,), before, after, others) == expected


def test_throttling_before_the_case_is_not_flagged():
    once = replace(CALM, throttling=("throttled since start",))
    assert flags.find((STEADY,), once, once, 0.0) == []


def test_the_load_of_others_excludes_our_own():
    busy = replace(CALM, busy_ns=3_000_000_000)
    assert flags.other_load(CALM, busy, 1_000_000_000, 2_000_000_000) == 1.0
    assert flags.other_load(CALM, busy, 4_000_000_000, 2_000_000_000) == 0.0
    assert flags.other_load(CALM, replace(CALM, busy_ns=None), 1, 1) is None
