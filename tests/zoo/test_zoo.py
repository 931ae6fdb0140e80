"""Weights, artifacts and cards of shipped networks agree with each other and with the figures."""

import hashlib

import numpy as np
import pytest

from edge_sr import graph, metrics
from edge_sr.data.colour import luminance
from edge_sr.data.datasets import find_pairs, load_pair
from edge_sr.errors import UserError
from edge_sr.evaluate import evaluate, mean
from edge_sr.models import checkpoint, registry
from edge_sr.quantize import network
from edge_sr.runtime.opening import open_session
from edge_sr.training import quality
from edge_sr.upscaling import upscale
from edge_sr.zoo import catalog
from export.onnx import from_tflite
from export.tflite import convert

ENTRIES = catalog.entries("super-resolution")
IDS = [entry.id for entry in ENTRIES]
KINDS = ("float32", "int8")

# PSNR (dB) and SSIM on the test sets that shipped networks must reach.
FLOORS = {
    ("tinypssr", 2): {"set5": (36.0, 0.950), "set14": (32.1, 0.903), "bsd100": (30.95, 0.885)},
    ("tinypssr-anchor", 2): {
        "set5": (36.1, 0.95),
        "set14": (32.05, 0.903),
        "bsd100": (31.03, 0.885),
    },
    ("tinypssr", 4): {"set5": (29.9, 0.85), "set14": (27.0, 0.75), "bsd100": (26.6, 0.71)},
    ("tinypssr-anchor", 4): {"set5": (29.9, 0.85), "set14": (27.0, 0.75), "bsd100": (26.6, 0.71)},
    ("espcn-tiny-anchor", 2): {
        "set5": (36.15, 0.95),
        "set14": (32.05, 0.902),
        "bsd100": (31.03, 0.882),
    },
    ("espcn-tiny-anchor", 4): {
        "set5": (29.8, 0.845),
        "set14": (26.95, 0.738),
        "bsd100": (26.6, 0.702),
    },
    ("espcn", 4): {"set5": (30.2, 0.856), "set14": (27.2, 0.744), "bsd100": (26.75, 0.706)},
    ("edsr-1", 4): {"set5": (30.3, 0.86), "set14": (27.3, 0.749), "bsd100": (26.8, 0.71)},
    ("fsrcnn-s", 2): {"set5": (36.4, 0.952), "set14": (32.2, 0.904), "bsd100": (31.2, 0.885)},
    ("fsrcnn-s", 4): {"set5": (30.1, 0.856), "set14": (27.15, 0.748), "bsd100": (26.7, 0.71)},
    ("fsrcnn", 4): {"set5": (30.6, 0.87), "set14": (27.5, 0.759), "bsd100": (26.95, 0.72)},
    ("wdsr-a", 4): {"set5": (31.5, 0.885), "set14": (28.05, 0.77), "bsd100": (27.35, 0.729)},
    ("wdsr-a-3", 2): {"set5": (37.1, 0.956), "set14": (32.7, 0.909), "bsd100": (31.7, 0.893)},
    ("wdsr-b", 4): {"set5": (31.1, 0.879), "set14": (27.9, 0.764), "bsd100": (27.2, 0.723)},
    ("wdsr-b-3", 2): {"set5": (36.9, 0.955), "set14": (32.6, 0.908), "bsd100": (31.55, 0.891)},
    ("tinypssr-ir", 2): {"infrared": (36.2, 0.954)},
    ("tinypssr-ir", 4): {"infrared": (29.1, 0.819)},  # SSIM has it stretch the contrast
    ("tinypssr-ir-mae", 2): {"infrared": (36.5, 0.953)},
    ("tinypssr-ir-mae", 4): {"infrared": (29.7, 0.812)},
}

# dB that int8 may lose, Set5 left out. tinypssr at x2 has what was reached, so that it gets no
# worse; the aim is 0.10 for it as well.
LOSSES = {
    ("tinypssr", 2): 0.17,
    ("tinypssr-anchor", 2): 0.05,
    ("tinypssr", 4): 0.10,
    ("tinypssr-anchor", 4): 0.05,
    ("espcn-tiny-anchor", 2): 0.10,
    ("espcn-tiny-anchor", 4): 0.10,
    ("espcn", 4): 0.20,
    ("edsr-1", 4): 0.10,
    ("fsrcnn-s", 2): 0.20,
    ("fsrcnn-s", 4): 0.20,
    ("fsrcnn", 4): 0.20,
    ("wdsr-a", 4): 0.10,
    ("wdsr-a-3", 2): 0.10,
    ("wdsr-b", 4): 0.10,
    ("wdsr-b-3", 2): 0.10,
    ("tinypssr-ir", 2): 0.0,  # QAT minimizes squared errors, the float training SSIM alone
    ("tinypssr-ir", 4): 0.0,
    ("tinypssr-ir-mae", 2): 0.20,
    ("tinypssr-ir-mae", 4): 0.10,
}
BORDERS = {"infrared": 4}  # pixels cropped by the slides' protocol; elsewhere the scale
FOLDERS = {"infrared": "infrared/val"}
THERMAL = [entry for entry in ENTRIES if entry.thermal]
TINYPSSR = [entry for entry in ENTRIES if entry.architecture.startswith("tinypssr")]


def test_every_network_has_limits_and_an_id_of_its_architecture():
    shipped = {(entry.model, entry.scale) for entry in ENTRIES}
    assert shipped == LOSSES.keys() == FLOORS.keys()
    for entry in ENTRIES:
        size = "".join(f"-{value}" for value in entry.card.options.values())
        name = entry.architecture + size
        assert entry.model.startswith(f"{name}-ir") if entry.thermal else entry.model == name


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_files_match_the_digests_on_the_card(entry):
    files = {path.name for path in entry.folder.iterdir()} - {"card.toml"}
    assert files == set(entry.card.sha256)
    for name, digest in entry.card.sha256.items():
        assert hashlib.sha256((entry.folder / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_the_card_states_the_training_of_the_weights(entry):
    spec, options = registry.get(entry.architecture), entry.card.options
    plain, quantized = (
        checkpoint.read_for(weights, entry.architecture, entry.scale)
        for weights in (entry.checkpoint("float32"), entry.checkpoint("int8"))
    )
    assert plain.config == spec.config(entry.scale, **options) == quantized.config
    assert entry.card.parameters == sum(array.size for array in plain.weights.values())
    if not options:
        assert entry.card.parameters == sum(count for _, count in spec.published[entry.scale])
    card = entry.card
    runs = [(card.training, plain.notes["training"]), (card.tuning, quantized.notes["tuning"])]
    if card.rounding:  # QAT started from a network trained on from the float one
        runs.append((card.rounding[0], quantized.notes["training"]))
        assert quantized.notes["training"]["start"] == checkpoint.digest(plain.weights)
    for run, notes in runs:
        assert run.seed == notes["seed"]
        assert run.recipe == notes["recipe"]
        stop = notes["recipe"]["stop"]
        assert run.steps == stop["epochs"] * stop["steps_per_epoch"]


@pytest.mark.parametrize("entry", THERMAL, ids=lambda entry: entry.id)
def test_thermal_networks_start_from_visible_ones_and_beat_them_on_thermal_images(entry):
    start = catalog.find(f"{entry.architecture}-x{entry.scale}")
    weights = checkpoint.read(start.checkpoint("float32")).weights
    notes = checkpoint.read(entry.checkpoint("float32")).notes["training"]
    assert notes["start"] == checkpoint.digest(weights)
    quality = entry.card.quality
    measure = "psnr" if entry.model.endswith("mae") else "ssim"  # what it was trained on
    for kind in KINDS:
        ours = quality[kind]["infrared"]
        assert ours[measure] > entry.card.start_quality[kind]["infrared"][measure]
        assert all(value > quality["bicubic"]["infrared"][name] for name, value in ours.items())


@pytest.mark.slow
@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_weights_convert_to_the_shipped_files(entry, kind):
    weights = entry.checkpoint("int8") if kind == "int8" else entry.checkpoint("float32")
    model = convert(checkpoint.read(weights), 32, 32, kind == "int8")
    assert entry.file(kind, ".tflite").read_bytes() == model
    assert entry.file(kind, ".onnx").read_bytes() == from_tflite(model)


@pytest.mark.parametrize("entry", TINYPSSR, ids=lambda entry: entry.id)
def test_costs_are_the_published_ones(entry):
    """1,356 and 2,716 parameters; 1,296 MACs per low-resolution pixel at x2, five times at x4."""
    for kind in KINDS:
        file = graph.read_graph(entry.file(kind, ".tflite"))
        assert graph.parameters(file) == {2: 1356, 4: 2716}[entry.scale]
        assert graph.macs_per_pixel(file) == {2: 1296, 4: 5 * 1296}[entry.scale]
    if entry.scale == 2:
        assert entry.file("int8", ".tflite").stat().st_size <= 8192


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_quality_on_the_card_keeps_its_limits(entry):
    quality = entry.card.quality
    for name, (psnr, ssim) in FLOORS[entry.model, entry.scale].items():
        assert quality["float32"][name]["psnr"] >= psnr
        assert quality["float32"][name]["ssim"] >= ssim
        if name != "set5":
            lost = quality["float32"][name]["psnr"] - quality["int8"][name]["psnr"]
            assert lost <= LOSSES[entry.model, entry.scale]


def test_wdsr_of_eight_blocks_is_better_than_smaller_networks():
    """The margins over EDSR of one block and over FSRCNN that are asked for, in dB on Set14."""
    wdsr, edsr, fsrcnn = (
        catalog.find(f"{model}-x4").card.scores("float32")["set14"]["psnr"]
        for model in ("wdsr-a", "edsr-1", "fsrcnn")
    )
    assert wdsr >= edsr + 0.2
    assert wdsr >= fsrcnn + 0.4


@pytest.mark.slow
@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_simulated_and_exported_int8_agree(entry, photographs):
    simulated = network.fake_quantized(checkpoint.read(entry.checkpoint("int8")))
    session = open_session(entry.file("int8", ".tflite"), "tflm")
    for pair in find_pairs(photographs, entry.scale):
        low, high = load_pair(pair, entry.scale)
        side = 64 if session.channels == 1 else 40  # TFLM's kernels need minutes for more of WDSR
        low, high = low[:side, :side], high[: side * entry.scale, : side * entry.scale]
        if session.channels == 1:
            low = luminance(low)
        scores = [
            metrics.psnr(luminance(high), luminance(image), entry.scale)
            for image in (quality.upscale_plane(simulated, low), upscale(session, low))
        ]
        assert scores[0] == pytest.approx(scores[1], abs=0.05)


@pytest.mark.shared
@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
@pytest.mark.parametrize("kind", KINDS)
def test_quality_measured_again_is_that_of_the_card(entry, kind, shared_data):
    session = open_session(entry.file(kind, ".tflite"), "litert", 2)
    for dataset, card in entry.card.scores(kind).items():
        pairs = find_pairs(shared_data / FOLDERS.get(dataset, dataset), entry.scale)
        border = BORDERS.get(dataset, entry.scale)
        found = mean(evaluate(session, pairs, entry.scale, border=border))
        # Runtimes on other processors may round a pixel to the other side.
        assert found.psnr == pytest.approx(card["psnr"], abs=0.005)
        assert found.ssim == pytest.approx(card["ssim"], abs=0.0005)


def test_unknown_networks_are_refused():
    with pytest.raises(UserError, match="no shipped network is named 'edsr9-x2'"):
        catalog.find("edsr9-x2")


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_int8_keeps_black_white_and_every_gray_between(entry):
    """Photographs have little of either end, so that ranges chosen by them would clip."""
    plain, int8 = (open_session(entry.file(k, ".tflite"), "litert") for k in ("float32", "int8"))
    middle = slice(20 * entry.scale, 28 * entry.scale)
    for level in (0, 8, 64, 128, 192, 240, 255):
        image = np.full((48, 48, 3)[: 2 if plain.channels == 1 else 3], level, np.uint8)
        one, other = (upscale(s, image)[middle, middle].astype(int) for s in (plain, int8))
        # The float network of the plain model is itself some levels too bright in the dark.
        assert abs(other.mean() - level) <= abs(one.mean() - level) + 7
