"""Classifiers in every runtime, how images are fitted to them, and labels."""

import contextlib
from pathlib import Path

import classifier_factory
import numpy as np
import pytest
from PIL import Image

import edge_sr
from edge_sr.classification import best, class_percents, fit, predict, read_labels, right
from edge_sr.data.labelled import LabelledImage, find_labelled
from edge_sr.errors import UserError
from edge_sr.runtime.litert import LiteRTSession
from edge_sr.runtime.opening import open_classifier
from edge_sr.runtime.session import Classes
from edge_sr.runtime.tflite_interface import read_classifier

RUNS = [
    ("int8", "litert", "softmax"),
    ("int8", "tflm", "softmax"),
    ("wide", "litert", "softmax"),
    ("logits", "litert", "none"),
    ("logits", "tflm", "none"),
    ("float32", "litert", "softmax"),
    ("float32 logits", "litert", "none"),
    ("onnx", "onnx", "softmax"),
    ("onnx logits", "onnx", "none"),
]


def colours(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)


@pytest.mark.parametrize(("kind", "runtime", "activation"), RUNS)
def test_scores_are_the_softmax_in_percent(
    tmp_path: Path, kind: str, runtime: str, activation: str
) -> None:
    session = open_classifier(classifier_factory.write(tmp_path, kind), runtime)
    assert session.classes == Classes(3, activation)
    assert session.fixed_size == (4, 4)
    for seed in range(5):
        pixels = colours(seed)
        percents = class_percents(session, pixels)
        assert np.abs(percents - classifier_factory.expected(pixels)).max() < 1.5
        assert percents.sum() == pytest.approx(100, abs=1.5)


def test_a_sigmoid_gives_each_class_its_own_score(tmp_path: Path) -> None:
    session = open_classifier(classifier_factory.write(tmp_path, "sigmoid"))
    percents = class_percents(session, np.full((4, 4, 3), 255, np.uint8))
    assert percents == pytest.approx([99.6] * 3, abs=0.5)


def test_a_network_of_0_to_255_scores_as_its_twin_of_0_to_1(tmp_path: Path) -> None:
    sessions = [
        open_classifier(classifier_factory.write(tmp_path, kind)) for kind in ("int8", "wide")
    ]
    for seed in range(5):
        unit, wide = (class_percents(session, colours(seed)) for session in sessions)
        assert np.array_equal(unit, wide)


def test_an_image_of_the_right_size_keeps_its_pixels() -> None:
    assert np.array_equal(fit(colours(), (4, 4), 3), colours())
    gray = colours()[..., 0]
    assert np.array_equal(fit(gray, (4, 4), 1)[..., 0], gray)
    assert np.array_equal(fit(gray, (4, 4), 3), np.dstack([gray] * 3))


def test_other_sizes_are_resized_by_pillow_and_colours_converted() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (31, 17, 3), np.uint8)
    image = Image.fromarray(pixels)
    bilinear = Image.Resampling.BILINEAR
    assert np.array_equal(fit(pixels, (8, 12), 3), np.asarray(image.resize((12, 8), bilinear)))
    gray = image.convert("L").resize((12, 8), bilinear)
    assert np.array_equal(fit(pixels, (8, 12), 1)[..., 0], np.asarray(gray))


def test_equal_scores_are_ranked_in_the_order_of_the_output() -> None:
    scores = best(np.array([10.0, 40.0, 10.0, 40.0]), 3, ["a", "b", "c", "d"])
    assert [(score.index, score.label) for score in scores] == [(1, "b"), (3, "d"), (0, "a")]
    assert best(np.array([10.0, 90.0]), 9)[0].label == "class 1"


def test_labels_are_as_many_as_the_classes(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes("\ufeffrød\r\ngreen\r\nblue\r\n\r\n".encode())
    assert read_labels(path, 3) == ["rød", "green", "blue"]
    with pytest.raises(UserError, match="has 3 labels, and the model has 4 classes"):
        read_labels(path, 4)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="not UTF-8"):
        read_labels(path, 1)
    path.write_bytes(b"a\x1b[2J\nb\n")
    with pytest.raises(UserError, match="control characters"):
        read_labels(path, 2)
    with pytest.raises(UserError, match="cannot read"):
        read_labels(tmp_path, 1)
    path.write_bytes(b"a\n" * 3_000_000)
    with pytest.raises(UserError, match="larger than 4 MiB"):
        read_labels(path, 1)


def class_folders(folder: Path) -> Path:
    for index, name in enumerate(("a-red", "b-green", "c-blue")):
        (folder / name).mkdir(parents=True)
        for shade in (80, 160):
            pixels = np.zeros((6, 5, 3), np.uint8)
            pixels[..., index] = shade
            Image.fromarray(pixels).save(folder / name / f"{shade}.png")
    return folder


def test_sorted_folders_are_the_classes(tmp_path: Path) -> None:
    images = find_labelled(class_folders(tmp_path / "data"), 3)
    assert [image.label for image in images] == [0, 0, 1, 1, 2, 2]
    session = open_classifier(classifier_factory.write(tmp_path))
    predictions = list(predict(session, images))
    assert (right(predictions, 1), right(predictions, 2)) == (6, 6)
    assert predictions[0].name == str(Path("a-red") / "160.png")


def test_labels_order_the_folders(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "data")
    images = find_labelled(folder, 3, ["c-blue", "b-green", "a-red"])
    assert [image.label for image in images] == [2, 2, 1, 1, 0, 0]
    assert len(find_labelled(folder, 4, ["c-blue", "b-green", "x", "a-red"])) == 6
    with pytest.raises(UserError, match="a-red has the name of no class"):
        find_labelled(folder, 3, ["c-blue", "b-green", "red"])
    with pytest.raises(UserError, match="same label"):
        find_labelled(folder, 3, ["c-blue", "c-blue", "a-red"])
    with pytest.raises(UserError, match="3 class folders, and the model has 2 classes"):
        find_labelled(folder, 2)


def npz(path: Path, **arrays: np.ndarray) -> Path:
    np.savez_compressed(path, **arrays)
    return path


def test_an_npz_holds_images_and_labels(tmp_path: Path) -> None:
    images = np.stack([colours(seed) for seed in range(4)])
    labels = np.array([classifier_factory.expected(image).argmax() for image in images])
    names = np.array(["a", "b", "c", "d"])
    session = open_classifier(classifier_factory.write(tmp_path))
    for extra in ({}, {"names": names}, {"names": labels}):
        found = find_labelled(npz(tmp_path / "x.npz", images=images, labels=labels, **extra), 3)
        assert right(predict(session, found), 1) == 4
    assert find_labelled(npz(tmp_path / "n.npz", images=images, labels=labels, names=names), 3)[
        3
    ].name.endswith("d")
    gray = npz(tmp_path / "g.npz", images=images[..., :1], labels=labels)
    assert find_labelled(gray, 3)[0].read().shape == (4, 4)


def test_bad_npz_files_are_refused(tmp_path: Path) -> None:
    images, labels = np.zeros((2, 4, 4, 3), np.uint8), np.zeros(2, np.uint8)
    path = tmp_path / "x.npz"
    with pytest.raises(UserError, match="no array 'labels'"):
        find_labelled(npz(path, images=images), 3)
    with pytest.raises(UserError, match=r"holds images float64 .* is needed"):
        find_labelled(npz(path, images=images / 2, labels=labels), 3)
    with pytest.raises(UserError, match=r"holds labels uint8 \(1,\)"):
        find_labelled(npz(path, images=images, labels=labels[:1]), 3)
    with pytest.raises(UserError, match=r"not a usable \.npz"):
        find_labelled(npz(path, images=np.array([{}, []], object), labels=labels), 3)
    whole = npz(path, images=images, labels=labels).read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"x\.npz"):
            find_labelled(path, 3)
    with pytest.raises(UserError, match="neither a folder"):
        find_labelled(classifier_factory.write(tmp_path), 3)
    with pytest.raises(UserError, match="no such file"):
        find_labelled(tmp_path / "none", 3)


def test_mutated_npz_files_never_crash(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 4, 4, 3), np.uint8)
    path = npz(tmp_path / "x.npz", images=images, labels=np.arange(3))
    whole = bytearray(path.read_bytes())
    for _ in range(400):
        data = whole.copy()
        for place in rng.integers(0, len(data), 3):
            data[place] = rng.integers(0, 256)
        path.write_bytes(data)
        with contextlib.suppress(UserError):
            for image in find_labelled(path, 3):
                image.read()


def test_a_class_beyond_the_networks_is_refused(tmp_path: Path) -> None:
    session = open_classifier(classifier_factory.write(tmp_path))
    with pytest.raises(UserError, match="of class 3, and the model has 3 classes"):
        list(predict(session, [LabelledImage("x", 3, colours)]))


def test_values_that_are_not_finite_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_classifier(classifier_factory.write(tmp_path, "float32"))
    monkeypatch.setattr(session, "_run", lambda image: np.full((1, 3), np.nan, np.float32))
    with pytest.raises(UserError, match="not finite"):
        class_percents(session, colours())


def test_python_classifies_an_image(tmp_path: Path) -> None:
    model = classifier_factory.write(tmp_path)
    pixels = np.zeros((9, 7, 3), np.uint8)
    pixels[..., 1] = 255
    scores = edge_sr.classify(model, pixels, labels=["red", "green", "blue"], top=2)
    assert [score.label for score in scores] == ["green", "red"]
    assert scores[0].percent > 99
    assert edge_sr.classify(str(model), Image.fromarray(pixels), runtime="tflm")[0].index == 1
    with pytest.raises(edge_sr.EdgeSRError, match="2 labels, and the model has 3"):
        edge_sr.classify(model, pixels, labels=["red", "green"])
    with pytest.raises(edge_sr.EdgeSRError, match="at least 1"):
        edge_sr.classify(model, pixels, top=0)
    with pytest.raises(edge_sr.EdgeSRError, match="not a classifier"):
        edge_sr.classify("tinypssr-x2", pixels)


RIGHT = {
    ("pretrainedResnet_quant", "litert"): ("ic01", 173, 200),
    ("pretrainedResnet_quant", "tflm"): ("ic01", 173, 199),
    ("pretrainedResnet_quant", "engine"): ("ic01", 173, 199),
    ("vww_96_int8", "litert"): ("vww01", 252, 300),
    ("vww_96_int8", "tflm"): ("vww01", 252, 300),
}
"""Images of MLPerf Tiny whose class is among the best one and the best five."""


@pytest.mark.shared
@pytest.mark.parametrize(("model", "kernels"), RIGHT)
def test_mlperf_tiny_is_classified_as_by_the_reference(
    shared_data: Path, model: str, kernels: str
) -> None:
    data, top1, top5 = RIGHT[model, kernels]
    path, images = shared_data.parent / "models" / f"{model}.tflite", shared_data / "mlperf_tiny"
    if not path.is_file() or not images.is_dir():
        pytest.skip("no models of MLPerf Tiny beside the image sets")
    if kernels in ("tflm", "engine"):
        session = open_classifier(path, kernels)
    else:  # without XNNPACK, whose rounding depends on the processor
        content = path.read_bytes()
        session = LiteRTSession(content, read_classifier(content), xnnpack=False)
    assert session.classes is not None
    found = find_labelled(images / f"{data}.npz", session.classes.count)
    predictions = list(predict(session, found))
    assert (right(predictions, 1), right(predictions, 5)) == (top1, top5)
