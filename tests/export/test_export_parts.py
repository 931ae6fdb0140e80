"""Codec parts are verified like upscalers, by the PSNR of the decoded image."""

from pathlib import Path

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio
from tflite_factory import pack, tinypssr, unpack

from edge_sr.codec import opening
from edge_sr.errors import UserError, VerificationError
from edge_sr.runtime import onnx_interface
from edge_sr.runtime.opening import open_part
from edge_sr.runtime.tflite_interface import read_interface, read_part
from export import vectors, verify
from export.onnx import from_tflite

STAND_INS = Path(__file__).parents[1] / "golden"
ALL = [
    (rate, part, kind)
    for rate in (4, 16)
    for part in ("encoder", "decoder")
    for kind in ("int8", "float32")
]


def stand_in(rate: int, part: str, kind: str) -> bytes:
    return (STAND_INS / f"tinycompress-{rate}" / f"{part}-{kind}.tflite").read_bytes()


def other(part: str) -> str:
    return "decoder" if part == "encoder" else "encoder"


@pytest.fixture(autouse=True)
def one_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "IMAGES", ("coffee",))


@pytest.mark.parametrize(("rate", "part", "kind"), ALL)
def test_the_onnx_has_the_interface_of_the_tflite(rate: int, part: str, kind: str) -> None:
    model = stand_in(rate, part, kind)
    found, expected = onnx_interface.read_part(from_tflite(model)), read_part(model)
    assert (found.scale, found.shrink, found.channels) == (
        (1, rate**0.5, 3) if part == "encoder" else (rate**0.5, 1, 3)
    )
    for ours, theirs in ((found.input, expected.input), (found.output, expected.output)):
        assert (ours.dtype, ours.zero_point) == (theirs.dtype, theirs.zero_point)
        assert ours.scale == pytest.approx(theirs.scale, rel=1e-7)
    assert found.halo == expected.halo


@pytest.mark.parametrize(
    ("rate", "part", "kind"),
    [(4, "encoder", "int8"), (16, "decoder", "int8"), (4, "encoder", "float32")],
)
def test_a_correct_export_passes_with_its_differences(
    tmp_path: Path, rate: int, part: str, kind: str
) -> None:
    model = stand_in(rate, part, kind)
    (tmp_path / "part.tflite").write_bytes(model)
    (tmp_path / "part.onnx").write_bytes(from_tflite(model))
    found = verify.verify(tmp_path, "part", kind, stand_in(rate, other(part), kind))
    assert found.reference == "tflm"
    assert [(each.runtime, each.inputs) for each in found.comparisons] == [
        (runtime, inputs) for runtime in ("litert", "onnx") for inputs in ("random", "real")
    ]
    for each in found.comparisons:
        assert (each.psnr_difference is None) == (each.inputs == "random")
    step = round(rate**0.5)
    sizes = {"encoder": 240 // step, "decoder": 240}
    assert found.comparisons[1].values == 3 * sizes[part] ** 2


@pytest.mark.parametrize("kind", ["int8", "float32"])
def test_psnr_is_that_of_the_decoded_image(kind: str) -> None:
    encoder, decoder = (stand_in(4, part, kind) for part in ("encoder", "decoder"))
    (image,) = vectors.images()
    codec = opening.open_parts(encoder, decoder, "tc")
    decoded = codec.decode(codec.latents(image), *image.shape[:2])
    expected = peak_signal_noise_ratio(image, decoded)
    for model, counterpart in ((encoder, decoder), (decoder, encoder)):
        session = open_part(model, runtime="tflm")
        *noise, real = vectors.make_test_vectors(session, "part", (8, 6), counterpart)
        assert [vector.psnr for vector in noise] == [None] * 3
        assert real.psnr is not None
        assert real.psnr(real.expected) == pytest.approx(expected, abs=1e-3)


def test_noise_fits_the_part() -> None:
    encoder, decoder = (stand_in(16, part, "int8") for part in ("encoder", "decoder"))
    for model, counterpart, sizes in (
        (encoder, decoder, [(8, 12), (20, 48), (8, 8)]),
        (decoder, encoder, [(8, 12), (17, 45), (7, 5)]),
    ):
        made = vectors.make_test_vectors(open_part(model), "part", (8, 12), counterpart)
        assert [vector.image.shape[1:3] for vector in made[:3]] == sizes


def with_other_weights(model: bytes) -> bytes:
    """The model with its largest kernel reversed."""
    found = unpack(model)
    largest = max(
        (buffer for buffer in found.buffers if buffer.data is not None), key=lambda b: len(b.data)
    )
    largest.data = np.asarray(largest.data)[::-1].copy()
    return pack(found)


@pytest.mark.parametrize(
    ("part", "message"),
    [("encoder", r"latent steps on"), ("decoder", r"dB on an image")],
)
def test_an_onnx_of_other_weights_fails(tmp_path: Path, part: str, message: str) -> None:
    model = stand_in(4, part, "int8")
    (tmp_path / "part.tflite").write_bytes(model)
    (tmp_path / "part.onnx").write_bytes(from_tflite(with_other_weights(model)))
    with pytest.raises(VerificationError, match=rf"part\.onnx in onnx differs .* {message}"):
        verify.verify(tmp_path, "part", "int8", stand_in(4, other(part), "int8"))


def test_upscalers_and_codec_parts_are_not_confused() -> None:
    with pytest.raises(UserError, match=r"\[1, H, W, 3\] is needed"):
        open_part(from_tflite(tinypssr(8, 8)), runtime="onnx")
    encoder, decoder = (stand_in(4, part, "int8") for part in ("encoder", "decoder"))
    for read, convert in ((onnx_interface.read_interface, from_tflite), (read_interface, bytes)):
        with pytest.raises(UserError, match="1/2"):
            read(convert(encoder))
        with pytest.raises(UserError, match="ends in a sigmoid, as decoders of codecs do"):
            read(convert(decoder))
