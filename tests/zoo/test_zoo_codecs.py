"""The shipped TinyCompress codecs: weights, parts, cards and measurements agree."""

import hashlib

import numpy as np
import pytest

from edge_sr import graph
from edge_sr.codec import context, opening
from edge_sr.codec.header import RATES
from edge_sr.data.images import read_image
from edge_sr.models import checkpoint, tinycompress
from edge_sr.zoo import catalog
from export.tflite import convert_part

ALL = catalog.entries("codec")
LEARNED = [codec for codec in ALL if codec.has_qualities]
CODECS = [codec for codec in ALL if not codec.has_qualities]
IDS = [codec.id for codec in CODECS]
KINDS = ("float32", "int8")
FLOAT_ONLY = ("tinycompress-rd",)


def kinds(codec):
    return KINDS[:1] if codec.id in FLOAT_ONLY else KINDS


# Kodak, 8 planes: PSNR-RGB and PSNR-Y (dB) at least, bpp at most (the slides').
FIGURES = {
    4: (29.5, 33.0, 5.104),
    16: (26.3, 28.8, 1.272),
    64: (24.4, 26.4, 0.322),
}

LOSS = 0.3
"""dB that int8 may lose, of PSNR-RGB and of PSNR-Y."""


def test_every_rate_and_a_rate_aware_codec_ship():
    assert set(IDS) == {*(f"tinycompress-{rate}" for rate in RATES), "tinycompress-rd"}
    rates = [codec.card.rate for codec in CODECS]
    assert rates == sorted(rates)


@pytest.mark.parametrize("codec", ALL, ids=[codec.id for codec in ALL])
def test_files_match_the_digests_on_the_card(codec):
    files = {path.name for path in codec.folder.iterdir()} - {"card.toml"}
    assert files == set(codec.card.sha256)
    for name, digest in codec.card.sha256.items():
        assert hashlib.sha256((codec.folder / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("codec", CODECS, ids=IDS)
def test_the_card_states_the_training_of_the_weights(codec):
    for kind in kinds(codec):
        name = "float" if kind == "float32" else kind
        weights = checkpoint.read(codec.folder / f"{name}.safetensors")
        assert weights.config.rate == codec.card.rate
        runs = {"training": codec.card.training}
        if kind == "int8":
            runs["tuning"] = codec.card.tuning
            # QAT may have started from a network that was trained on from the float one.
            runs["training"] = (codec.card.rounding or [codec.card.training])[-1]
        for part, run in runs.items():
            assert run.seed == weights.notes[part]["seed"]
            assert run.recipe == weights.notes[part]["recipe"]


@pytest.mark.parametrize("codec", CODECS, ids=IDS)
def test_costs_are_the_published_ones(codec):
    assert codec.card.parameters == 5427 + 1071
    passes = tinycompress.CodecConfig(rate=codec.card.rate).iterations
    for part, count in (("encoder", 5427), ("decoder", 1071)):
        for kind in kinds(codec):
            file = graph.read_graph(codec.file(kind, part=part))
            assert graph.parameters(file) == passes * count  # each pass counts its weights
            assert kind != "int8" or graph.not_integer(file) == []


@pytest.mark.slow
@pytest.mark.parametrize("codec", CODECS, ids=IDS)
def test_the_weights_convert_to_the_shipped_files(codec):
    side = max(32, 2 ** tinycompress.CodecConfig(rate=codec.card.rate).iterations)
    for kind in kinds(codec):
        weights = codec.checkpoint(kind)
        read = checkpoint.read(weights)
        for part in tinycompress.PARTS:
            found = convert_part(read, part, side, side, kind == "int8")
            assert codec.file(kind, part=part).read_bytes() == found


@pytest.mark.parametrize("codec", LEARNED, ids=[codec.id for codec in LEARNED])
def test_learned_codecs_are_what_their_cards_say(codec):
    """Trained, tuned, integers of the parameters on the card, in symbols between the parts."""
    master = context.Master.read(codec.folder / "context.safetensors")
    counted = 0
    for kind in KINDS:
        weights = checkpoint.read(codec.checkpoint(kind))
        assert weights.config.channels == master.channels
        run, part = (
            (codec.card.training, "training")
            if kind == "float32"
            else (codec.card.tuning, "tuning")
        )
        assert run.seed == weights.notes[part]["seed"]
        assert run.recipe == weights.notes[part]["recipe"]
    for part in ("encoder", "decoder"):
        file = graph.read_graph(codec.file("int8", part=part))
        assert graph.not_integer(file) == []
        symbols = file.output if part == "encoder" else file.input
        assert symbols.shape[-1] == master.channels
        assert symbols.quantization.scale == (1.0,)
        assert symbols.quantization.zero_point == (0,)
        counted += graph.parameters(file)
    assert counted == codec.card.parameters


@pytest.mark.parametrize("rate", sorted(FIGURES))
def test_quality_on_the_card_keeps_its_limits(rate):
    psnr_rgb, psnr_y, bpp = FIGURES[rate]
    quality = catalog.find(f"tinycompress-{rate}").card.quality
    for kind in KINDS:
        assert quality[kind]["kodak"]["bpp"] < bpp
    plain = quality["float32"]["kodak"]
    assert plain["psnr_rgb"] >= psnr_rgb
    assert plain["psnr_y"] >= psnr_y


@pytest.mark.parametrize("rate", RATES)
def test_int8_loses_at_most_the_limit(rate):
    quality = catalog.find(f"tinycompress-{rate}").card.quality
    plain, int8 = (quality[kind]["kodak"] for kind in KINDS)
    assert plain["psnr_rgb"] - int8["psnr_rgb"] <= LOSS
    assert plain["psnr_y"] - int8["psnr_y"] <= LOSS


@pytest.mark.shared
@pytest.mark.parametrize("codec", CODECS, ids=IDS)
def test_quality_on_the_card_is_measured_again(codec, shared_data):
    kind = kinds(codec)[-1]
    found = opening.find(model=codec.id, int8=kind == "int8", threads=2)
    scores = []
    for path in sorted((shared_data / "kodak").glob("*.png")):
        pixels = read_image(path).pixels
        samples, quantizer = found.encode(pixels)
        decoded = found.decode(quantizer.restore(samples), *pixels.shape[:2])
        error = np.mean((decoded.astype(np.float64) - pixels) ** 2)
        scores.append(10 * np.log10(255**2 / error))
    # Of float32, other processors may round a value to the other side.
    due = codec.card.scores(kind)["kodak"]["psnr_rgb"]
    assert float(np.mean(scores)) == pytest.approx(due, abs=0.005)
