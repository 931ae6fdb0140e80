"""`edge-sr bench`: records, and one sentence for each error."""

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import MAIN, wait_until, with_start_up

from benchmarks.measuring import device, process, reference
from benchmarks.measuring.job import Answer
from benchmarks.measuring.suites import QUICK
from edge_sr import records
from edge_sr.records import Decision, Record
from edge_sr.runtime.agreement import Agreement
from edge_sr.zoo import catalog

INT8 = catalog.find("tinypssr-x2").file("int8", ".tflite")
SHORT = ("--size", "40x24", "--samples", "3", "--seconds", "0.01")
HEAVY = ("tensorflow", "keras", "tf_keras", "onnx", "onnxruntime", "tflite_micro", "safetensors")


def test_a_file_is_measured_and_recorded(edge_sr, tmp_path):
    out = tmp_path / "record.json"
    result = edge_sr("bench", INT8, *SHORT, "--runtime", "engine", "--out", out)
    assert result.code == 0
    assert re.search(r"^engine int8 +1 thread ", result.out, re.MULTILINE)
    record = records.read(out)
    assert record.complete
    (case,) = [result.case for result in record.results]
    assert (case.network.name, case.width, case.height) == ("int8.tflite", 40, 24)
    assert record.results[0].output.right
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def test_options_change_the_case(edge_sr, tmp_path):
    out = tmp_path / "record.json"
    core = str(device.cores()[0])
    options = ("--model", "tinypssr", "--float32", "--end-to-end", "--pin", core, "--out", out)
    assert edge_sr("bench", "run", *options, *SHORT).code == 0
    (result,) = records.read(out).results
    assert (result.case.network.precision, result.case.pinned) == ("float32", (int(core),))
    assert {timing.scope for timing in result.timings} == {"run", "end-to-end"}


def test_a_suite_can_be_narrowed(edge_sr, tmp_path):
    out = tmp_path / "record.json"
    result = edge_sr("bench", *SHORT, "--runtime", "engine", "--out", out)
    assert result.code == 0
    record = records.read(out)
    assert record.suite == "quick"
    assert {result.case.runtime for result in record.results} == {"engine"}


SUITE = """title = "A shipped network, and an unknown one"
[sampling]
warmup_s = 0.01
samples = 3
seconds = 0.01
max_samples = 9
max_seconds = 1
[[case]]
networks = ["tinypssr-x2", "tinypssr x9"]
parts = ["upscaler"]
precisions = ["int8"]
backends = ["engine"]
sizes = ["40x24"]
threads = [1]
"""


def test_a_network_that_is_not_shipped_is_reported_without_an_error(edge_sr, tmp_path):
    suite = tmp_path / "mine.toml"
    suite.write_text(SUITE)
    result = edge_sr("bench", "--suite", suite)
    assert result.code == 0
    assert result.out.count("not shipped") == 1


def test_a_suite_of_which_nothing_is_measured_is_refused(edge_sr, tmp_path, monkeypatch):
    monkeypatch.setattr(catalog, "FOLDER", tmp_path)
    out = tmp_path / "record.json"
    options = ("--suite", "execution-time", "--runtime", "engine", "--out", out)
    assert "no case was measured; tinycompress-4 encoder" in edge_sr.refuses("bench", *options)
    assert not out.exists()


def test_unknown_kernels_are_refused(edge_sr, monkeypatch):
    monkeypatch.setenv("EDGE_SR_KERNELS", "foo")
    assert "unknown kernels EDGE_SR_KERNELS='foo'; available: portable" in edge_sr.refuses("bench")


def test_a_codec_is_measured_in_both_directions(edge_sr, stand_ins, tmp_path):
    out = tmp_path / "record.json"
    options = ("--model", "tinycompress-4", "--runtime", "engine", "--out", out)
    assert edge_sr("bench", *options, *SHORT).code == 0
    assert [result.case.network.part for result in records.read(out).results] == [
        "encoder",
        "decoder",
    ]


@pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="no qemu-system-arm")
@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no arm-none-eabi-gcc")
def test_an_emulated_board_is_flagged(edge_sr, tmp_path):
    out = tmp_path / "record.json"
    options = ("--model", "tinypssr", "--board", "mps2-an386", "--size", "32x32", "--out", out)
    result = edge_sr("bench", *options)
    assert result.code == 0, result.err
    assert "emulated, not cycles" in result.out
    (made,) = records.read(out).results
    assert (made.case.board, made.marks, made.timings) == ("mps2-an386", ("emulated",), ())
    assert made.instructions.frame > 1_000_000
    assert (made.output.reference, made.output.max_difference) == ("tflm", 0)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("none.tflite",), "cannot read none.tflite: no such file"),
        (("picture.png",), "picture.png is not a model; it takes a file of .tflite, .onnx"),
        (("bad.tflite",), "bad.tflite is not a usable .tflite"),
        (("bad.onnx",), "bad.onnx: this is not an ONNX model"),
        (("bad.safetensors",), "bad.safetensors is not a checkpoint"),
        ((INT8, "--runtime", "onnx"), "onnx does not open"),
        ((INT8, "--runtime", "magic"), "unknown runtime 'magic'; available: litert,"),
        ((INT8, "--float32"), "computes in int8"),
        ((INT8, "--size", "0x4"), "'0x4' is not a size; write WIDTHxHEIGHT"),
        ((INT8, "--pin", "a"), "'a' is not a list of cores"),
        ((INT8, "--pin", "9999"), "--pin names cores that this machine lacks"),
        ((INT8, "--suite", "quick"), "exclude each other; name one of them"),
        ((INT8, "--scale", "2"), "--scale and --part need --model"),
        ((INT8, "--resume"), "--resume continues a record; name it with --out"),
        ((INT8, "--out", "none/record.json"), "the folder none does not exist"),
        ((INT8, "--threads", "0"), "threads"),
        ((INT8, "--board", "atari"), "atari"),
        ((INT8, "--board", "mps2-an386", "--runtime", "litert"), "a board runs the engine"),
        (("--suite", "slow"), "unknown suite 'slow'"),
        (
            ("--suite", "quick", "--runtime", "tflm"),
            "no case of the suite quick matches the options",
        ),
        (("--board", "mps2-an386"), "--board needs --model or a file"),
        (("--model", "tinypssr", "--scale", "3"), "tinypssr has no scale 3; it has 2, 4"),
        (("--model", "tinypssr", "--part", "encoder"), "tinypssr has no encoder"),
        (("--model", "tinycompress-4", "--scale", "2"), "leave --scale out"),
        (("--model", "tinycompress-7"), "unknown network 'tinycompress-7'"),
        (("--model", "tinypssr", "--runtime", "keras", "--int8"), "keras does not run"),
    ],
)
def test_bad_input_is_one_sentence(edge_sr, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    for name in ("bad.tflite", "bad.onnx", "bad.safetensors", "picture.png"):
        Path(name).write_bytes(b"TFL3 nothing of the kind")
    assert sentence in edge_sr.refuses("bench", *arguments)


def test_an_error_of_a_runtime_is_one_sentence(edge_sr, tmp_path, monkeypatch):
    answer = Answer(error="LiteRT cannot open the model: line one\nline two")
    monkeypatch.setattr(process, "do", lambda job: answer)
    refusal = edge_sr.refuses("bench", INT8, "--out", tmp_path / "record.json")
    assert "LiteRT cannot open the model: line one line two" in refusal
    assert not list(tmp_path.iterdir())


def test_a_wrong_output_ends_with_code_1_and_is_recorded(edge_sr, tmp_path, monkeypatch):
    wrong = Agreement(99.0, 1.0, 3.0, Decision("psnr difference", 3.0, 0.05), False)
    monkeypatch.setattr(reference, "agreement", lambda *_: wrong)
    out = tmp_path / "record.json"
    result = edge_sr("bench", INT8, "--runtime", "engine", *SHORT, "--out", out)
    assert result.code == 1
    said = "int8 40x24 engine 1 thread (3 dB PSNR difference from the reference, the bound is 0.05)"
    assert result.err.endswith(f"wrong output: int8.tflite upscaler {said}\n")
    (made,) = records.read(out).results
    assert "wrong" in made.marks
    assert made.output.decision == wrong.decision


def test_a_record_is_replaced_only_with_force(edge_sr, tmp_path):
    out = tmp_path / "record.json"
    out.write_text("mine")
    assert "--force replaces it" in edge_sr.refuses("bench", INT8, "--out", out)
    assert out.read_text() == "mine"


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (('"planned": 1', '"planned": 2'), "it was edited or damaged; measure again"),
        (('"schema_version": 1', '"schema_version": 7'), "this edge-sr reads 1"),
        (("{", ""), "it is not JSON"),
    ],
)
def test_an_invalid_record_is_not_resumed(edge_sr, tmp_path, edit, sentence):
    out = tmp_path / "record.json"
    here = device.read_device(), device.read_software(), QUICK
    records.write(out, Record(None, records.now(), False, 1, *here, results=()))
    out.write_text(out.read_text().replace(*edit, 1))
    before = out.read_bytes()
    assert sentence in edge_sr.refuses("bench", INT8, "--out", out, "--resume")
    assert out.read_bytes() == before


WAIT_AFTER_THE_FIRST_CASE = """
import json, pathlib, time
record = pathlib.Path({record!r})
if record.exists() and json.loads(record.read_text())["record"]["results"]:
    pathlib.Path({waiting!r}).touch()
    time.sleep(3600)
"""


def test_ctrl_c_keeps_measured_cases_and_resume_continues(edge_sr, processes, tmp_path):
    out, waiting = tmp_path / "record.json", tmp_path / "waiting"
    code = WAIT_AFTER_THE_FIRST_CASE.format(record=str(out), waiting=str(waiting))
    arguments = ("bench", *SHORT, "--int8", "--out", out)
    process = processes.edge_sr(*arguments, env=with_start_up(tmp_path, code))
    wait_until(waiting.exists, process)
    process.send_signal(signal.SIGINT)
    _, message = process.communicate()
    assert process.returncode == 130
    assert "--resume continues" in message
    assert processes.running() == []
    partial = records.read(out)
    assert not partial.complete
    assert len(partial.results) == 1 < partial.planned
    assert edge_sr("bench", *SHORT, "--int8", "--out", out, "--resume").code == 0
    whole = records.read(out)
    assert whole.complete
    assert whole.results[: len(partial.results)] == partial.results


def test_a_full_disk_is_one_sentence(tmp_path):
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))\n"
        f"import sys; sys.argv = ['edge-sr', 'bench', {str(INT8)!r}, '--out', 'record.json']\n"
        f"{MAIN}"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("edge-sr: cannot write record.json: ")
    assert done.stderr.count("\n") == 1


def test_a_board_without_the_extras_measures(processes, tmp_path):
    """The processes of the cases read the same start-up file."""
    blocked = f"import sys\nfor name in {HEAVY!r}: sys.modules[name] = None\n"
    out = tmp_path / "record.json"
    runtimes = ("--runtime", "litert", "--runtime", "engine", "--runtime", "onnx")
    process = processes.edge_sr(
        *("bench", "--model", "tinypssr", *SHORT, *runtimes, "--out", out),
        env=with_start_up(tmp_path, blocked),
        stdout=subprocess.DEVNULL,
    )
    _, message = process.communicate()
    assert (process.returncode, message) == (0, "")
    results = records.read(out).results
    assert [result.status for result in results] == ["measured", "measured", "not measured"]
    assert "pip install 'edge-sr[onnx]'" in results[2].reason
    assert results[1].output.reference == "litert"
