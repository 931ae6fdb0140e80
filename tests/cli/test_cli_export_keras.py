"""A user's own Keras classifier: from a .keras file to a .tflite, and from there onto a board."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from command_line import EdgeSr
from test_cli_board_page import REPOSITORY, labels
from tflm_oracle import run_tflm

from edge_sr.classification import fit
from edge_sr.data.images import read_image
from edge_sr.graph import read_graph
from edge_sr.quiet import quiet_native

TOOLS = ("arm-none-eabi-gcc", "qemu-system-arm")
HEIGHT, WIDTH, CLASSES = 28, 36, 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "quantizing own.keras needs images like those that it will see: name a folder"),
        (["--images", "absent"], "absent is not a folder; a folder with images is needed"),
        (["--images", "."], ". holds no image"),
        (["--float32", "--format", "onnx"], "the format 'onnx' is not written of a .keras file"),
        (["--float32", "--input-range", "0..2"], "unknown range of pixels '0..2'"),
        (["--float32", "--size", "9"], "'9' is not a size; write WIDTHxHEIGHT"),
        (["--images", ".", "--rate", "4"], "--scale, --rate and --checkpoint are not for .keras"),
        (["--float32", "--model", "own.keras"], "name the model once"),
    ],
    ids=str,
)
def test_bad_input_is_one_sentence(
    edge_sr: EdgeSr,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.keras").write_bytes(b"")
    assert message in edge_sr.refuses("export", "own.keras", *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["own.keras"]
    assert "are for .keras files" in edge_sr.refuses("export", "tinypssr", "--images", tmp_path)


def test_a_classifier_goes_from_keras_to_a_board(
    edge_sr: EdgeSr, tmp_path: Path, photographs: Path
) -> None:
    with quiet_native():
        keras = pytest.importorskip("keras")
        keras.ops.zeros(1)
    layers = keras.layers
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((HEIGHT, WIDTH, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
            layers.DepthwiseConv2D(3, strides=2),
            layers.BatchNormalization(),
            layers.ReLU(6.0),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    path, out = tmp_path / "own.keras", tmp_path / "out"
    model.save(path)
    _refuse_others(edge_sr, tmp_path, photographs)

    result = edge_sr("export", path, "--images", photographs, "--out", out)
    assert result.code == 0, result.err
    assert "0..255; --input-range states another range" in result.out
    page = (REPOSITORY / "docs" / "tutorials" / "classifier.md").read_text(encoding="utf-8")
    shown = page.split("$ edge-sr export shapes.keras --images shapes\n")[1].split("```")[0]
    assert rows(result.out) == rows(shown.replace("shapes-int8", "own-int8"))
    assert sorted(each.name for each in out.iterdir()) == [
        f"own-int8{suffix}" for suffix in (".c", ".h", ".tflite")
    ]
    tflite = (out / "own-int8.tflite").read_bytes()
    network = read_graph(tflite)
    assert {tensor.dtype for tensor in network.used()} <= {"int8", "int32"}
    for image in sorted(photographs.iterdir()):
        pixels = fit(read_image(image).pixels, (HEIGHT, WIDTH), 3)
        expected = model(pixels[np.newaxis].astype(np.float32)).numpy()[0]
        quantization = network.input.quantization
        assert quantization is not None
        stored = np.rint(pixels / quantization.scale[0]) + quantization.zero_point[0]
        scores = run_tflm(tflite, stored.clip(-128, 127).astype(np.int8)[np.newaxis])
        assert np.abs((scores.ravel().astype(float) + 128) / 256 - expected).max() < 0.1
    if all(shutil.which(tool) for tool in TOOLS):
        ran = edge_sr("firmware", "run", out / "own-int8.tflite", "--board", "mps2-an386")
        assert f"{CLASSES} bytes, all equal to TFLM's" in ran.out, ran.err


def test_outputs_keep_their_order_and_augmentation_is_left_out(
    edge_sr: EdgeSr, tmp_path: Path, photographs: Path
) -> None:
    with quiet_native():
        keras = pytest.importorskip("keras")
    layers = keras.layers
    image = keras.Input((16, 16, 3))
    inner = keras.Sequential([layers.RandomFlip(), layers.RandomContrast(0.5)])
    features = layers.Rescaling(1 / 127.5, -1)(layers.Resizing(12, 12)(inner(image)))
    features = layers.Conv2D(4, 3, strides=2, activation="relu")(features)
    features = layers.GlobalAveragePooling2D()(features)
    heads = [layers.Dense(count, name=f"head{count}")(features) for count in (5, 2, 3)]
    path, out = tmp_path / "own.keras", tmp_path / "out"
    keras.Model(image, heads).save(path)
    result = edge_sr("export", path, "--images", photographs, "--out", out)
    assert result.code == 0, result.err
    assert "0..255; --input-range states another range" in result.out
    network = read_graph((out / "own-int8.tflite").read_bytes())
    assert [network.tensors[index].shape for index in network.outputs] == [(1, 5), (1, 2), (1, 3)]
    difference = result.out.split("difference from Keras | ")[1].split("%")[0]
    assert float(difference) < 5


def rows(table: str) -> list[str]:
    return [label for label in labels(table) if not label.startswith("--")]


def _refuse_others(edge_sr: EdgeSr, folder: Path, images: Path) -> None:
    """Check what only Keras can tell; it takes seconds to import."""
    from keras import Input, Sequential
    from keras.layers import GRU, Conv2D, Dense, LayerNormalization, Rescaling, Reshape

    image = Input((12, 8, 3))
    names = ("vector", "open", "bad", "loop", "late", "float")
    vector, open_size, damaged, loop, late, floats = (folder / f"{name}.keras" for name in names)
    Sequential([Input((8,)), Dense(2)]).save(vector)
    Sequential([Input((None, None, 3)), Conv2D(2, 3)]).save(open_size)
    damaged.write_bytes(b"PK")
    Sequential([image, Reshape((12, 24)), GRU(4, name="memory")]).save(loop)
    Sequential([image, Conv2D(2, 3), Rescaling(0.5, name="half")]).save(late)
    Sequential([image, Conv2D(2, 3), LayerNormalization()]).save(floats)
    for path, message in (
        (vector, "is not a network of images: its input"),
        (open_size, "takes images of any size; state one with --size"),
        (damaged, f"{damaged} is not a .keras file, which is the zip that model.save() writes"),
        (loop, "layer 'memory' of"),
        (late, "rescales pixels in 'half', which does not tell their range; state it with"),
        (floats, "computes with floats, because the converter has no int8 version of it"),
    ):
        assert message in edge_sr.refuses("export", path, "--images", images, "--out", folder / "x")
    assert not (folder / "x").exists()
