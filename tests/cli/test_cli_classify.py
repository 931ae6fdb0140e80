"""`edge-sr classify`, and `edge-sr eval` of a classifier."""

import json
from pathlib import Path

import classifier_factory
import numpy as np
import pytest
import tflite_factory
from command_line import EdgeSr
from PIL import Image

from edge_sr.runtime.runtimes import CLASSIFIER_RUNTIMES, RUNTIMES


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return classifier_factory.write(tmp_path)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.txt"
    path.write_text("red\ngreen\nblue\n")
    return path


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    """A green and a blue image."""
    paths = []
    for channel in (1, 2):
        pixels = np.zeros((20, 30, 3), np.uint8)
        pixels[..., channel] = 255
        paths.append(tmp_path / f"{channel}.png")
        Image.fromarray(pixels).save(paths[-1])
    return paths


def test_the_best_classes_are_printed_in_percent(
    edge_sr: EdgeSr, model: Path, labels: Path, images: list[Path]
) -> None:
    result = edge_sr("classify", model, *images, "--labels", labels, "--top", 1)
    assert (result.code, result.err) == (0, "")
    assert result.out == f"{images[0]}\n  99.61 %  green\n{images[1]}\n  99.61 %  blue\n"


@pytest.mark.parametrize("runtime", ["litert", "tflm", "engine"])
def test_json_holds_all_scores(
    edge_sr: EdgeSr, model: Path, images: list[Path], runtime: str
) -> None:
    result = edge_sr("classify", model, *images, "--runtime", runtime, "--json")
    assert (result.code, result.err) == (0, "")
    report = json.loads(result.out)
    assert (report["runtime"], report["classes"], report["activation"]) == (runtime, 3, "softmax")
    assert [image["scores"][0]["label"] for image in report["images"]] == ["class 1", "class 2"]
    assert len(report["images"][0]["scores"]) == 3


@pytest.mark.shared
def test_the_engine_is_named_where_litert_refuses(
    edge_sr: EdgeSr, shared_models: Path, images: list[Path]
) -> None:
    arguments = ("classify", shared_models / "person_detect.tflite", *images)
    assert "; --runtime engine runs it" in edge_sr.refuses(*arguments)
    assert edge_sr(*arguments, "--runtime", "engine").code == 0


def test_bad_input_is_refused_in_one_sentence(
    edge_sr: EdgeSr, tmp_path: Path, model: Path, labels: Path, images: list[Path]
) -> None:
    labels.write_text("red\ngreen\n")
    text = edge_sr.refuses("classify", model, *images, "--labels", labels)
    assert "has 2 labels, and the model has 3 classes" in text
    assert "not a classifier" in edge_sr.refuses("classify", "tinypssr-x2", *images)
    upscaler = tmp_path / "upscaler.tflite"
    upscaler.write_bytes(tflite_factory.tinypssr())
    assert "`edge-sr upscale` runs" in edge_sr.refuses("classify", upscaler, *images)
    assert "no such file" in edge_sr.refuses("classify", model, images[0], tmp_path / "no.png")
    assert "not an image" in edge_sr.refuses("classify", model, model)
    for runtime in RUNTIMES.keys() - set(CLASSIFIER_RUNTIMES):
        text = edge_sr.refuses("classify", model, *images, "--runtime", runtime)
        assert "does not run classifiers" in text
    assert "unknown runtime" in edge_sr.refuses("classify", model, *images, "--runtime", "tpu")
    model.write_bytes(model.read_bytes()[:500])
    assert "not a usable .tflite" in edge_sr.refuses("classify", model, *images)


def test_a_model_of_two_outputs_is_refused(
    edge_sr: EdgeSr, tmp_path: Path, model: Path, images: list[Path]
) -> None:
    content = tflite_factory.unpack(model.read_bytes())
    graph = content.subgraphs[0]
    graph.outputs = [*graph.outputs, graph.operators[1].outputs[0]]
    model.write_bytes(tflite_factory.pack(content))
    assert "1 inputs and 2 outputs" in edge_sr.refuses("classify", model, *images)


def test_a_shape_that_is_not_int32_is_refused(
    edge_sr: EdgeSr, model: Path, images: list[Path]
) -> None:
    content = tflite_factory.unpack(model.read_bytes())
    operator = content.subgraphs[0].operators[1]
    flattened = operator.inputs[0]
    for wrong in (2, 3):  # the weights and the bias
        operator.inputs = [flattened, wrong]
        model.write_bytes(tflite_factory.pack(content))
        text = edge_sr.refuses("classify", model, *images)
        assert "not a usable .tflite: operator 1 RESHAPE" in text


def test_a_shape_that_differs_from_the_output_is_refused(
    edge_sr: EdgeSr, model: Path, images: list[Path]
) -> None:
    content = tflite_factory.unpack(model.read_bytes())
    graph = content.subgraphs[0]
    buffer = content.buffers[graph.tensors[graph.operators[1].inputs[1]].buffer]
    for values, right in (((1, -1), True), ((3, 1), False), ((1 << 30, 1 << 30), False)):
        buffer.data = np.frombuffer(np.array(values, "<i4").tobytes(), np.uint8)
        model.write_bytes(tflite_factory.pack(content))
        if right:
            assert edge_sr("classify", model, *images).code == 0
        else:
            text = edge_sr.refuses("classify", model, *images)
            assert "not a usable .tflite: operator 1 RESHAPE" in text


def test_a_softmax_at_which_tflm_aborts_is_refused(
    edge_sr: EdgeSr, model: Path, images: list[Path]
) -> None:
    content = tflite_factory.unpack(model.read_bytes())
    content.subgraphs[0].operators[2].builtinOptions.beta = 0.0
    model.write_bytes(tflite_factory.pack(content))
    text = edge_sr.refuses("classify", model, *images, "--runtime", "tflm")
    assert "its beta 0 is too small" in text
    operator = content.subgraphs[0].operators[2]
    operator.builtinOptions, operator.builtinOptionsType = None, 0
    model.write_bytes(tflite_factory.pack(content))
    text = edge_sr.refuses("classify", model, *images, "--runtime", "tflm")
    assert "lacks its options" in text


def test_a_range_of_other_values_is_refused_until_it_is_stated(
    edge_sr: EdgeSr, model: Path, images: list[Path]
) -> None:
    content = tflite_factory.unpack(model.read_bytes())
    content.subgraphs[0].tensors[0].quantization.scale = [0.02]
    model.write_bytes(tflite_factory.pack(content))
    assert "--input-range" in edge_sr.refuses("classify", model, *images)
    assert edge_sr("classify", model, *images, "--input-range", "0..1").code == 0


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Ten images: nine of their class, and a blue one named red."""
    folder = tmp_path / "data"
    for index, name in enumerate(("blue", "green", "red")):
        (folder / name).mkdir(parents=True)
        for shade in (90, 150, 240):
            pixels = np.zeros((8, 8, 3), np.uint8)
            pixels[..., 2 - index] = shade
            Image.fromarray(pixels).save(folder / name / f"{shade}.png")
    Image.fromarray(np.full((8, 8, 3), (0, 0, 200), np.uint8)).save(folder / "red" / "wrong.png")
    return folder


def test_eval_prints_accuracy(edge_sr: EdgeSr, model: Path, labels: Path, data: Path) -> None:
    result = edge_sr("eval", "--model", model, "--data", data, "--labels", labels)
    assert (result.code, result.err) == (0, "")
    assert result.out == (
        f"{data}: 10 images, 3 classes\n{model.name} (litert)\n  top 1: 90.00 % (9 of 10)\n"
    )


def test_eval_writes_json_and_csv(
    edge_sr: EdgeSr, tmp_path: Path, model: Path, labels: Path, data: Path
) -> None:
    table = tmp_path / "table.csv"
    arguments = ("eval", "--model", model, "--data", data, "--labels", labels, "--csv", table)
    result = edge_sr(*arguments, "--json", "-")
    report = json.loads(result.out)
    assert report["top1"] == {"right": 9, "percent": 90.0}
    assert (report["top5"], report["images"], report["classes"]) == (None, 10, 3)
    assert len(report["predictions"]) == 10
    wrong = [row for row in report["predictions"] if row["ranked"][0] != row["expected"]]
    assert [row["name"] for row in wrong] == [str(Path("red") / "wrong.png")]
    assert table.read_text().splitlines()[0] == "image,expected,predicted,percent"
    assert len(table.read_text().splitlines()) == 11


def test_eval_reads_an_npz(edge_sr: EdgeSr, tmp_path: Path, model: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 3), np.uint8)
    classes = [classifier_factory.expected(image).argmax() for image in images]
    np.savez(tmp_path / "x.npz", images=images, labels=classes)
    result = edge_sr("eval", "--model", model, "--data", tmp_path / "x.npz", "--json")
    assert json.loads(result.out)["top1"]["right"] >= 18


def test_eval_refuses_what_does_not_fit(
    edge_sr: EdgeSr, tmp_path: Path, model: Path, labels: Path, data: Path
) -> None:
    arguments = ("eval", "--model", model, "--data", data)
    assert "takes no --scale, --border" in edge_sr.refuses(*arguments, "--scale", 2, "--border", 1)
    text = edge_sr.refuses("eval", "--data", data / "red", "--labels", labels)
    assert "--labels is for classifiers" in text
    (data / "other").mkdir()
    assert "4 class folders, and the model has 3 classes" in edge_sr.refuses(*arguments)
    np.savez(tmp_path / "x.npz", images=np.array([{}], object), labels=np.zeros(1, int))
    text = edge_sr.refuses("eval", "--model", model, "--data", tmp_path / "x.npz")
    assert "not a usable .npz" in text
