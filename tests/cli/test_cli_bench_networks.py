"""Networks of any kind in `edge-sr bench`: on noise, in every runtime that takes them."""

import hashlib
import importlib.util
import shutil
from dataclasses import replace
from pathlib import Path

import classifier_factory
import pytest
from tflite_factory import TfliteWriter, pack, unpack
from tflm_oracle import run_tflm

from benchmarks.measuring import noise, process, selection, worker
from edge_sr import records
from edge_sr.runtime.arrays import read_arrays
from firmware_harness import oracle

pytestmark = pytest.mark.usefixtures("one_process")
SHORT = ("--samples", "3", "--seconds", "0.01")


@pytest.fixture
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs jobs in this process and briefly, which takes less time."""
    monkeypatch.setattr(process, "do", worker.do)
    monkeypatch.setattr(selection, "QUICK", replace(selection.QUICK, warmup_s=0.01))


def test_a_classifier_is_measured_in_every_runtime(edge_sr, tmp_path: Path) -> None:
    path, out = classifier_factory.write(tmp_path), tmp_path / "record.json"
    result = edge_sr("bench", path, *SHORT, "--out", out)
    assert result.code == 0, result.err
    record = records.read(out)
    measured = {it.case.runtime_name: it for it in record.results}
    assert list(measured) == ["litert", "litert-plain", "engine", "tflm"]
    model = path.read_bytes()
    inputs = noise.make(read_arrays(model))
    expected = b"".join(run_tflm(model, values[0]).tobytes() for values in inputs)
    for name in ("engine", "tflm"):
        assert measured[name].output.sha256 == hashlib.sha256(expected).hexdigest()
        assert measured[name].output.max_difference == 0
        assert measured[name].output.top_agreement == 1
    assert all(it.output.right and it.output.max_difference <= 5 for it in measured.values())
    case = measured["engine"].case
    assert (case.network.part, case.size, case.channels, case.inputs) == ("network", "4x4", 3, None)
    assert case.network.macs == 3 * 4 * 4 * 3
    kinds = {item.kind for item in measured["engine"].memory}
    assert kinds >= {"runtime arena", "engine ram", "flash"}
    report = edge_sr("bench", "report", out, "--csv", tmp_path / "record.csv")
    assert "int8.tflite, image of 4x4, output" in report.out
    assert ",top_agreement," in (tmp_path / "record.csv").read_text()


def two_vectors(folder: Path) -> Path:
    """A sum of two vectors; the second output is the first input's ReLU."""
    writer = TfliteWriter(1, 1)
    left = writer.activation("left", (1, 40), 0.1, 3)
    right = writer.activation("right", (1, 40), 0.2, -5)
    total = writer.add(left, right)
    positive = writer.activation("positive", (1, 40), 0.1, 3)
    writer.operator("RELU", [left.index], [positive.index])
    model = unpack(writer.finish(total))
    graph = model.subgraphs[0]
    graph.inputs, graph.outputs = [left.index, right.index], [total.index, positive.index]
    path = folder / "two.tflite"
    path.write_bytes(pack(model))
    return path


def test_several_inputs_and_outputs_of_any_rank(edge_sr, tmp_path: Path) -> None:
    path, out = two_vectors(tmp_path), tmp_path / "record.json"
    options = ("--runtime", "litert-plain", "--runtime", "tflm", "--runtime", "engine")
    result = edge_sr("bench", path, *options, *SHORT, "--out", out)
    assert result.code == 0, result.err
    assert "two.tflite, input 1x40 int8, 1x40 int8" in result.out
    litert, tflm, engine = records.read(out).results
    assert (litert.output.reference, litert.output.bytes) == ("tflm", 8 * 2 * 40)
    assert litert.output.max_difference <= 1
    assert tflm.output.right
    assert engine.status == "failed"
    assert "it has 2 inputs, and the engine takes one" in engine.reason
    assert "leave --size out" in edge_sr.refuses("bench", path, "--size", "4x4")
    assert "leave --end-to-end out" in edge_sr.refuses("bench", path, "--end-to-end")


def test_an_open_size_can_be_chosen(edge_sr, tmp_path: Path) -> None:
    writer = TfliteWriter(9, 7)
    model = unpack(writer.finish(writer.conv(writer.input, 5, 3, stride=2)))
    graph = model.subgraphs[0]
    for index, channels in ((graph.inputs[0], 1), (graph.outputs[0], 5)):
        graph.tensors[index].shapeSignature = [-1, -1, -1, channels]
    path, out = tmp_path / "features.tflite", tmp_path / "record.json"
    path.write_bytes(pack(model))
    options = ("--size", "12x10", "--out", out)
    result = edge_sr("bench", path, *SHORT, *options)
    assert result.code == 0, result.err
    results = records.read(out).results
    assert {it.output.bytes for it in results} == {5 * 6 * 5}
    assert {it.case.network.macs for it in results} == {5 * 6 * 5 * 9}


@pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="no qemu-system-arm")
@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no arm-none-eabi-gcc")
def test_a_board_is_compared_with_the_engine_where_tflm_has_no_wheel(
    edge_sr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tflite_micro" else find(name)
    )
    monkeypatch.setattr(oracle, "has_tflm_wheels", lambda: False)
    path, out = classifier_factory.write(tmp_path), tmp_path / "record.json"
    result = edge_sr("bench", path, "--board", "mps2-an386", "--out", out)
    assert result.code == 0, result.err
    assert "compared with the engine on this machine" in result.out
    (made,) = records.read(out).results
    assert (made.output.reference, made.output.max_difference) == ("engine", 0)
    (values,) = noise.make(read_arrays(path.read_bytes()))[0]
    expected = run_tflm(path.read_bytes(), values).tobytes()
    assert made.output.sha256 == hashlib.sha256(expected).hexdigest()
    assert made.instructions.frame > 1000
