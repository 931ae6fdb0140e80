"""Verification passes correct exports, and names the file or tensor that is wrong."""

from pathlib import Path

import numpy as np
import pytest
from tflite_factory import TfliteWriter, pack, tinypssr, unpack
from tflite_micro import runtime

from edge_sr.errors import UserError, VerificationError
from edge_sr.runtime import arena
from edge_sr.runtime.opening import open_session
from export import vectors, verify
from export.c import write_c
from export.onnx import from_tflite

NAME = "tinypssr-x2-int8"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = tinypssr(16, 16)
    header, source = write_c(model, NAME)
    (tmp_path / f"{NAME}.tflite").write_bytes(model)
    (tmp_path / f"{NAME}.onnx").write_bytes(from_tflite(model))
    (tmp_path / f"{NAME}.h").write_text(header, encoding="ascii")
    (tmp_path / f"{NAME}.c").write_text(source, encoding="ascii")
    return tmp_path


def test_a_correct_export_passes_with_its_differences(folder: Path) -> None:
    result = verify.verify(folder, NAME, "int8")
    assert result.reference == "tflm"
    found = [(each.file, each.runtime, each.inputs) for each in result.comparisons]
    assert found == [
        (f"{NAME}.tflite", "litert", "random"),
        (f"{NAME}.tflite", "litert", "real"),
        (f"{NAME}.onnx", "onnx", "random"),
        (f"{NAME}.onnx", "onnx", "real"),
    ]
    for each in result.comparisons:
        assert (each.psnr_difference is None) == (each.inputs == "random")
        assert 0 <= each.differing_share < 1
    assert result.notes == (
        f"the shapes are those of the .tflite; {NAME}.onnx takes any height and width",
        "the C array compiles as C99 without a warning and equals the .tflite",
    )


def test_differences_equal_those_of_numpy(folder: Path) -> None:
    tflm, litert = (open_session(folder / f"{NAME}.tflite", name) for name in ("tflm", "litert"))
    made = vectors.make_test_vectors(tflm, NAME, (16, 300))
    random, _ = verify.compare(Path("a.tflite"), litert, "tflm", made)
    differences = np.concatenate(
        [
            (litert.run(vector.image).astype(int) - tflm.run(vector.image)).ravel()
            for vector in made
            if vector.psnr is None
        ]
    )
    assert random.values == differences.size == 4 * (16 * 256 + 17 * 45 + 7 * 5)
    assert random.max_difference == np.abs(differences).max()
    assert random.mean_difference == pytest.approx(np.abs(differences).mean(), abs=1e-6)
    assert random.differing_share == pytest.approx(np.mean(differences != 0), abs=1e-6)


def test_a_float_network_passes_only_as_float32(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(float_network(0))
    (tmp_path / "model.onnx").write_bytes(from_tflite(float_network(0)))
    comparisons = verify.verify(tmp_path, "model", "float32").comparisons
    assert all(each.max_difference < 0.01 for each in comparisons)
    with pytest.raises(VerificationError, match=r"model\.tflite is not fully integer: tensor 0"):
        verify.verify(tmp_path, "model", "int8")


def float_network(seed: int, bias: float = 0.0) -> bytes:
    """Four copies of the image, each through a 3x3 kernel, shuffled: x2."""
    writer = TfliteWriter(8, 8, seed=seed)
    output = writer.depth_to_space(writer.conv(writer.input, 4, 3), 2)
    model = unpack(writer.finish(output))
    rng = np.random.default_rng(seed)
    values = {
        "weights": rng.uniform(0, 0.2, (4, 3, 3, 1)),
        "bias": np.full(4, bias),
    }
    for tensor in model.subgraphs[0].tensors:
        tensor.type, tensor.quantization = 0, None
        if tensor.buffer:
            data = values[tensor.name.decode()].astype("<f4").tobytes()
            model.buffers[tensor.buffer].data = np.frombuffer(data, np.uint8)
    return pack(model)


@pytest.mark.parametrize("bias", [0.002, np.nan])
def test_a_float_onnx_that_differs_fails(tmp_path: Path, bias: float) -> None:
    (tmp_path / "model.tflite").write_bytes(float_network(0))
    (tmp_path / "model.onnx").write_bytes(from_tflite(float_network(0, bias)))
    with pytest.raises(VerificationError, match=r"model\.onnx in onnx"):
        verify.verify(tmp_path, "model", "float32")


def test_an_onnx_of_other_weights_fails(folder: Path) -> None:
    (folder / f"{NAME}.onnx").write_bytes(from_tflite(tinypssr(16, 16, seed=1)))
    with pytest.raises(
        VerificationError, match=rf"{NAME}\.onnx in onnx differs from tflm by .* dB"
    ):
        verify.verify(folder, NAME, "int8")


def test_a_float_island_fails_with_its_tensor(tmp_path: Path) -> None:
    writer = TfliteWriter(8, 8)
    image = writer.float_island(writer.conv(writer.input, 4, 3))
    (tmp_path / "model.tflite").write_bytes(writer.finish(writer.depth_to_space(image, 2)))
    with pytest.raises(VerificationError, match=r"'island' is float32, not int8 \(and 1 more\)"):
        verify.verify(tmp_path, "model", "int8")


def test_one_wrong_byte_in_the_c_array_fails(folder: Path) -> None:
    path = folder / f"{NAME}.c"
    text = path.read_text()
    path.write_text(text[:-20] + text[-20:].replace("0x", "1+0x", 1))
    with pytest.raises(VerificationError, match=rf"{NAME}\.c does not hold the bytes"):
        verify.verify(folder, NAME, "int8")


def test_a_warning_of_the_c_compiler_fails(folder: Path) -> None:
    path = folder / f"{NAME}.c"
    path.write_text(path.read_text() + "static int unused(void) { return 1; }\n")
    with pytest.raises(VerificationError, match=rf"{NAME}\.c does not compile: .*unused"):
        verify.verify(folder, NAME, "int8")


def test_a_note_says_that_no_compiler_is_installed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert "no C compiler" in verify.check_c(folder, NAME)


def test_without_tflm_litert_is_the_reference_and_a_note_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "has_tflm", lambda: False)
    result = verify.verify(folder, NAME, "int8")
    assert result.reference == "litert"
    assert {each.runtime for each in result.comparisons} == {"onnx"}
    assert "LiteRT instead of TFLM" in result.notes[0]


def test_a_missing_scikit_image_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "skimage.data", None)
    with pytest.raises(UserError, match=r"pip install 'edge-sr\[train\]'"):
        verify.verify(folder, NAME, "int8")


@pytest.mark.parametrize("size", [(12, 10), (32, 32)])
def test_the_arena_is_the_smallest_that_tflm_runs_in(size: tuple[int, int]) -> None:
    model = tinypssr(*size)
    needed = arena.arena_bytes(model)
    runtime.Interpreter.from_bytes(model, arena_size=needed)
    with pytest.raises(RuntimeError):
        runtime.Interpreter.from_bytes(model, arena_size=needed - 16)


def test_the_arena_is_the_published_one_at_32x32() -> None:
    assert arena.arena_bytes(tinypssr(32, 32)) == 35_296
    assert arena.host_abi().startswith("64-bit host")
