"""What `import edge_sr` offers."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data as skimage_data

import edge_sr
from edge_sr import graph
from edge_sr.codec import codec, opening
from edge_sr.engine.plan import make_plan
from edge_sr.runtime.pixels import run_plane
from edge_sr.upscaling import upscale
from edge_sr.zoo import catalog
from edge_sr.zoo.artifact import open_upscaler

EXAMPLES = Path(__file__).parent.parent / "examples" / "python"
HEAVY = ("numpy", "PIL", "ai_edge_litert", "tensorflow", "keras", "onnx", "typer", "rich")


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.ascontiguousarray(skimage_data.astronaut()[40:101, 180:253])


def test_importing_it_imports_nothing_heavy() -> None:
    code = f"import sys, edge_sr; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there_and_documented() -> None:
    for name in edge_sr.__all__:
        value = getattr(edge_sr, name)
        assert name in dir(edge_sr)
        assert name == "__version__" or value.__doc__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = edge_sr.nothing


def test_models_are_listed_by_their_ids() -> None:
    listed = edge_sr.list_models()
    assert {"tinypssr-x2", "tinycompress-16"} <= set(listed)
    assert listed == [*edge_sr.list_models("super-resolution"), *edge_sr.list_models("codec")]
    assert all(edge_sr.load(name).id == name for name in ("tinypssr-x4", "espcn-x4"))


@pytest.mark.parametrize("runtime", ["engine", "litert"])
def test_paths_arrays_and_pillow_images_give_the_same(
    tmp_path: Path, photo: np.ndarray, runtime: str
) -> None:
    Image.fromarray(photo).save(tmp_path / "photo.png")
    model = edge_sr.load("tinypssr-anchor-x2", precision="int8", runtime=runtime)
    assert (model.id, model.scale, model.precision) == ("tinypssr-anchor-x2", 2, "int8")
    expected = upscale(open_upscaler("tinypssr-anchor-x2", runtime=runtime)[1], photo)
    sources = (photo, Image.fromarray(photo), tmp_path / "photo.png", str(tmp_path / "photo.png"))
    for source in sources:
        assert np.array_equal(model.upscale(source), expected)


def test_gray_and_sixteen_bits_stay_what_they_are(tmp_path: Path, photo: np.ndarray) -> None:
    model = edge_sr.load("tinypssr-x2", runtime="engine")
    gray = photo[..., 1]
    session = open_upscaler("tinypssr-x2", runtime="engine")[1]
    assert np.array_equal(model.upscale(gray), run_plane(session, np.ascontiguousarray(gray)))
    counts = gray.astype(np.uint16) * 100 + 20_000
    Image.fromarray(counts).save(tmp_path / "counts.png")
    large = model.upscale(counts)
    assert large.dtype == np.uint16
    assert abs(large.mean() - counts.mean()) < 20
    for source in (Image.fromarray(counts), tmp_path / "counts.png"):
        assert np.array_equal(model.upscale(source), large)


def test_pillow_modes_are_converted_as_files_are(tmp_path: Path, photo: np.ndarray) -> None:
    model = edge_sr.load("tinypssr-x2", runtime="engine")
    for mode in ("RGBA", "P", "LA", "CMYK", "1"):
        image = Image.fromarray(photo).convert(mode)
        image.save(tmp_path / "image.tif")
        assert np.array_equal(model.upscale(image), model.upscale(tmp_path / "image.tif")), mode


def test_an_image_is_compressed_and_comes_back(tmp_path: Path, photo: np.ndarray) -> None:
    data = edge_sr.compress(photo, rate=4)
    assert data == codec.compress(photo, opening.find(4))
    back = edge_sr.decompress(data)
    assert back.shape == photo.shape
    assert np.array_equal(back, codec.decompress(data).pixels)
    (tmp_path / "a.tcz").write_bytes(data)
    assert np.array_equal(edge_sr.decompress(tmp_path / "a.tcz"), back)
    whole = edge_sr.compress(photo, rate=16)
    assert whole == edge_sr.compress(photo, model="tinycompress-16")
    assert len(edge_sr.compress(photo, planes=2)) < len(whole)


def test_names_may_be_paths_and_numbers_numpys(photo: np.ndarray) -> None:
    entry = catalog.find("tinypssr-x2")
    model = edge_sr.load(entry.file("int8"), runtime="engine", threads=np.int64(1))
    same = edge_sr.load("tinypssr-x2", runtime="engine")
    assert np.array_equal(model.upscale(photo), same.upscale(photo))
    assert edge_sr.load("tinypssr", scale=4).id == "tinypssr-x4"
    assert edge_sr.upscale(photo, "tinypssr", scale=4).shape[0] == 4 * photo.shape[0]
    by_id, by_path = (
        edge_sr.plan(name, np.int32(64)) for name in ("tinypssr-x2", entry.file("int8"))
    )
    assert by_id == by_path
    assert type(by_id.arena_bytes) is int
    codec_folder = catalog.find("tinycompress-4").folder
    assert edge_sr.compress(photo, model=codec_folder) == edge_sr.compress(photo, rate=4)


def test_a_plan_is_the_planners() -> None:
    made = edge_sr.plan("tinypssr-x2", width=320)
    due = make_plan(graph.read_graph(catalog.find("tinypssr-x2").file("int8")))
    assert (made.arena_bytes, made.flash_bytes) == (due.arena_bytes(320), due.flash_bytes)
    assert edge_sr.plan("tinycompress-16/encoder", width=160).arena_bytes > 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: edge_sr.list_models("other"), "unknown kind 'other'"),
        (lambda: edge_sr.load("nothing"), "unknown network 'nothing'; `edge-sr models` lists"),
        (lambda: edge_sr.load("tinycompress-16"), "is not an upscaler"),
        (lambda: edge_sr.load("tinypssr-x2", precision="int4"), "unknown precision 'int4'"),
        (lambda: edge_sr.load("tinypssr-x2", runtime="tpu"), "unknown runtime 'tpu'"),
        (lambda: edge_sr.load("tinypssr-x2", threads=0), "threads"),
        (lambda: edge_sr.load("absent.tflite"), "absent.tflite: no such file"),
        (lambda: edge_sr.load("tinypssr-x2").upscale("absent.png"), "absent.png: no such file"),
        (lambda: edge_sr.load("tinypssr-x2").upscale(np.zeros((4, 4))), "an image is uint8"),
        (lambda: edge_sr.load("tinypssr-x2").upscale(np.zeros((0, 4), np.uint8)), "at least 1"),
        (lambda: edge_sr.load("tinypssr-x2").upscale(None), "not NoneType"),
        (lambda: edge_sr.load(5), "a name is a text or a path, not int"),
        (lambda: edge_sr.load(b"tinypssr-x2"), "a name is a text or a path, not bytes"),
        (lambda: edge_sr.load("tinypssr", scale=3), "tinypssr has no scale 3"),
        (lambda: edge_sr.load("tinypssr", scale="2"), "scale is a whole number, not '2'"),
        (lambda: edge_sr.load("tinypssr-x2", threads=1.5), "threads is a whole number, not 1.5"),
        (lambda: edge_sr.load("tinypssr-x2", runtime=["engine"]), "unknown runtime"),
        (lambda: edge_sr.upscale("absent.png"), "absent.png: no such file"),
        (lambda: edge_sr.compress(np.zeros((4, 4), np.uint8), model=5), "a name is a text"),
        (lambda: edge_sr.compress(np.zeros((4, 4), np.uint8), rate="16"), "rate is a whole number"),
        (lambda: edge_sr.compress(np.zeros((4, 4), np.uint8), planes=1.5), "planes is a whole"),
        (lambda: edge_sr.decompress(None), "its bytes or its path, not NoneType"),
        (lambda: edge_sr.decompress("."), "cannot read .: it is a folder; name a file"),
        (lambda: edge_sr.plan("tinypssr-x2", width="320"), "width is a whole number, not '320'"),
        (lambda: edge_sr.plan("tinypssr-x2", width=True), "width is a whole number, not True"),
        (lambda: edge_sr.plan("tinypssr-x2", width=None), "width is a whole number, not None"),
        (lambda: edge_sr.plan(5), "a name is a text or a path, not int"),
        (lambda: edge_sr.export("tinypssr-x2", None), "a name is a text or a path, not NoneType"),
        (lambda: edge_sr.compress(np.zeros((4, 4), np.uint16)), "an image is uint8"),
        (lambda: edge_sr.compress(np.zeros((4, 4), np.uint8), rate=5), "no rate 5; available: 4"),
        (lambda: edge_sr.compress(np.zeros((4, 4), np.uint8), planes=9), "planes"),
        (lambda: edge_sr.decompress(b"not a file"), "not a .tcz file"),
        (lambda: edge_sr.decompress("absent.tcz"), "absent.tcz: no such file"),
        (lambda: edge_sr.plan("tinypssr-x2", width=0), "cannot run at width 0"),
        (lambda: edge_sr.plan("tinycompress-16"), "has two networks; name tinycompress-16/enc"),
        (lambda: edge_sr.export("tinypssr-x3", "out"), "unknown network|no weights|no scale"),
        (lambda: edge_sr.export("tinypssr-x2", "out", width=0), "sides are 1 to 4096"),
        (lambda: edge_sr.export("tinypssr-x2", "out", formats=()), "no format is given"),
    ],
)
def test_bad_input_is_one_sentence_of_the_public_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(edge_sr.EdgeSRError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def run_example(name: str, *arguments: Path) -> None:
    subprocess.run([sys.executable, EXAMPLES / name, *arguments], check=True)


def test_the_examples_do_what_they_say(tmp_path: Path, photo: np.ndarray) -> None:
    source, large, file, back = (
        tmp_path / name for name in ("photo.png", "large.png", "photo.tcz", "back.png")
    )
    Image.fromarray(photo).save(source)
    run_example("upscale.py", source, large)
    with Image.open(large) as image:
        due = edge_sr.load("tinypssr-anchor-x2", runtime="engine").upscale(photo)
        assert np.array_equal(np.array(image), due)
    run_example("compress.py", source, file, back)
    assert file.read_bytes() == edge_sr.compress(photo, rate=16)
    with Image.open(back) as image:
        assert np.array_equal(np.array(image), edge_sr.decompress(file))
