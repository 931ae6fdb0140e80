"""Exports are written whole or not at all, and give the same bytes twice."""

import hashlib
import importlib.metadata
from pathlib import Path

import pytest
from tflite_factory import TfliteWriter, tinypssr

from edge_sr.errors import UserError, VerificationError
from export import bundle, manifest, verify
from export.manifest import Score

NAME = "tinypssr-x2-int8"
QUALITY = (Score("int8", "Set5", 35.7, 0.947),)
ALL = {f"{NAME}.tflite", f"{NAME}.onnx", f"{NAME}.c", f"{NAME}.h", "manifest.json"}


@pytest.fixture
def source() -> bundle.Source:
    return bundle.Source(tinypssr(12, 10), "tinypssr", "int8", QUALITY)


@pytest.fixture
def unverified(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip running the files, for tests of the file system only."""
    nothing = manifest.Verification("tflm", (), ())
    monkeypatch.setattr(verify, "verify", lambda *arguments: nothing)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_manifest_describes_the_files(source: bundle.Source, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "export"
    written = bundle.write(source, NAME, ["tflite", "onnx", "c"], folder)
    assert names(folder) == ALL
    assert manifest.read(folder / "manifest.json") == written
    for file in written.files:
        data = (folder / file.name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file.bytes, file.sha256)
    assert {file.name for file in written.files} == ALL - {"manifest.json"}
    assert (folder / f"{NAME}.tflite").read_bytes() == source.tflite
    assert (written.parameters, written.macs_per_lr_pixel, written.scale) == (1356, 1296.0, 2)
    assert (written.input_height, written.input_width, written.halo) == (12, 10, 4)
    assert written.quality == QUALITY
    assert written.input.zero_points == (-128,)
    assert written.tflm_arena is not None
    assert written.tools["onnx"] == importlib.metadata.version("onnx")


def test_exporting_twice_gives_the_same_bytes(source: bundle.Source, tmp_path: Path) -> None:
    for name in "ab":
        bundle.write(source, NAME, ["tflite", "onnx", "c"], tmp_path / name)
    for file in ALL:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize(
    ("formats", "expected"),
    [
        (["tflite"], {".tflite"}),
        (["onnx"], {".onnx"}),
        (["c"], {".c", ".h"}),
        (["c", "tflite"], {".c", ".h", ".tflite"}),
    ],
    ids=["tflite", "onnx", "c", "c and tflite"],
)
@pytest.mark.usefixtures("unverified")
def test_only_the_requested_formats_are_written(
    source: bundle.Source, tmp_path: Path, formats: list[str], expected: set[str]
) -> None:
    result = bundle.write(source, NAME, formats, tmp_path)
    assert names(tmp_path) == {NAME + suffix for suffix in expected} | {"manifest.json"}
    assert {file.name for file in result.files} == {NAME + suffix for suffix in expected}


def test_a_network_that_is_not_integer_leaves_no_files(tmp_path: Path) -> None:
    writer = TfliteWriter(8, 8)
    image = writer.float_island(writer.conv(writer.input, 4, 3))
    model = writer.finish(writer.depth_to_space(image, 2))
    folder = tmp_path / "a" / "b"
    with pytest.raises(VerificationError, match="'island'"):
        bundle.write(bundle.Source(model, "m", "int8"), NAME, ["tflite", "onnx", "c"], folder)
    assert names(tmp_path) == set()


def test_a_failed_verification_leaves_the_folder_unchanged(
    source: bundle.Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    monkeypatch.setattr(verify, "MAX_PSNR_DIFFERENCE", -1.0)
    with pytest.raises(VerificationError, match=rf"{NAME}\.tflite in litert"):
        bundle.write(source, NAME, ["tflite", "onnx", "c"], tmp_path)
    assert names(tmp_path) == {"notes.txt"}


@pytest.mark.usefixtures("unverified")
def test_an_existing_export_is_replaced_only_with_force(
    source: bundle.Source, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    bundle.write(source, NAME, ["tflite", "onnx", "c"], tmp_path)
    before = (tmp_path / "manifest.json").read_bytes()
    with pytest.raises(UserError, match=r"already has manifest\.json; --force replaces it"):
        bundle.write(source, NAME, ["tflite"], tmp_path)
    assert (tmp_path / "manifest.json").read_bytes() == before
    bundle.write(source, "other-name", ["tflite"], tmp_path, force=True)
    assert names(tmp_path) == {"notes.txt", "other-name.tflite", "manifest.json"}


@pytest.mark.usefixtures("unverified")
def test_another_manifest_is_never_replaced(source: bundle.Source, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "a web page"}')
    with pytest.raises(UserError, match=r"manifest\.json that is not of an export"):
        bundle.write(source, NAME, ["tflite"], tmp_path, force=True)
    assert names(tmp_path) == {"manifest.json"}


@pytest.mark.usefixtures("unverified")
def test_a_folder_in_the_way_is_never_replaced(source: bundle.Source, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.onnx").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        bundle.write(source, NAME, ["onnx"], tmp_path, force=True)
    assert names(tmp_path) == {f"{NAME}.onnx"}


@pytest.mark.parametrize("failing", range(7))
@pytest.mark.usefixtures("unverified")
def test_a_failing_disk_leaves_the_earlier_export(
    source: bundle.Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    bundle.write(source, NAME, ["tflite", "c"], tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    moves = 0
    rename = Path.rename

    def fail_once(self: Path, target: Path) -> Path:
        nonlocal moves
        moves += 1
        if moves == failing + 1:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_once)
    with pytest.raises(UserError, match="No space left"):
        bundle.write(source, NAME, ["tflite", "c"], tmp_path, force=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.usefixtures("unverified")
def test_a_folder_that_cannot_be_written_is_named(source: bundle.Source, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UserError, match="is a file; --out takes a folder"):
        bundle.write(source, NAME, ["tflite"], file)
    with pytest.raises(UserError, match="cannot write to"):
        bundle.write(source, NAME, ["tflite"], file / "below")
    with pytest.raises(UserError, match="cannot write to"):
        bundle.write(source, NAME, ["tflite"], tmp_path / "made" / ("x" * 300))
    with pytest.raises(UserError, match="cannot write to"):
        bundle.write(source, NAME, ["tflite"], tmp_path / ("x" * 300))
    assert names(tmp_path) == {"file"}


@pytest.mark.parametrize("name", ["../up", "a/b", "", "a b", "ü"])
def test_other_names_are_refused(source: bundle.Source, tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="is not a file name"):
        bundle.write(source, name, ["tflite"], tmp_path)


@pytest.mark.parametrize("formats", [[], ["tflite", "coreml"], [""]], ids=str)
def test_unknown_formats_are_refused_with_the_known_ones(
    source: bundle.Source, tmp_path: Path, formats: list[str]
) -> None:
    with pytest.raises(UserError, match="available: tflite, onnx, c"):
        bundle.write(source, NAME, formats, tmp_path)
