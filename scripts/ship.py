"""Put a trained network into the zoo: weights, ready artifacts, and a card with measured quality.

    python scripts/ship.py RUN --test-sets DIR --trained-on "DIV2K train"

RUN is the folder of `edge-sr train --int8`; DIR holds set5, set14 and bsd100. The test sets are
read here alone, after all choices have been made. A RUN that started from the shipped float
network, or whose best.safetensors is that network, leaves it in place. Then --float-by says how it
is made.
"""

import argparse
import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from edge_sr import graph, zoo
from edge_sr.data.datasets import find_pairs
from edge_sr.data.degradation import bicubic_upscale
from edge_sr.evaluate import PlaneUpscaler, evaluate, mean
from edge_sr.models import checkpoint as checkpoints
from edge_sr.runtime.session import Session, open_session
from export.onnx import from_tflite
from export.tflite import convert

SETS = ("set5", "set14", "bsd100")
SIDE = 32  # the input size written into the files; LiteRT and ONNX Runtime take any


def main() -> None:
    """Read the arguments and ship."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("run", type=Path, help="folder of the training run")
    parser.add_argument("--test-sets", type=Path, required=True, help="folder of the test sets")
    parser.add_argument("--trained-on", required=True, help="what the training images are")
    parser.add_argument("--float-by", help="command that makes the float network, if it is kept")
    arguments = parser.parse_args()
    ship(arguments.run, arguments.test_sets, arguments.trained_on, arguments.float_by)


def ship(run: Path, test_sets: Path, trained_on: str, float_by: str | None) -> None:
    """Replace the zoo's entry by that of a run, whole or not at all."""
    plain = checkpoints.read(run / "best.safetensors")
    tuned = checkpoints.read(run / "int8" / "best.safetensors")
    if any(tuned.notes.get(key) != value for key, value in plain.notes.items()):
        raise SystemExit(f"{run}/int8 was not tuned from {run}/best.safetensors")
    entry = zoo.Entry(tuned.spec.name, tuned.config.scale)
    with tempfile.TemporaryDirectory(dir=zoo.FOLDER) as scratch:
        folder = Path(scratch) / "entry"
        folder.mkdir()
        kept = _is_kept(entry, plain)
        if kept != (float_by is not None):
            raise SystemExit("--float-by is for runs that leave the shipped float network in place")
        write_files(run, folder, entry.float_checkpoint if kept else run / "best.safetensors")
        card = make_card(entry, folder, run, tuned.notes, trained_on, float_by)
        card["quality"] = measure(folder, entry.scale, test_sets)
        (folder / "card.toml").write_text(tomli_w.dumps(card), encoding="utf-8")
        if entry.folder.exists():
            shutil.rmtree(entry.folder)
        folder.rename(entry.folder)


def _is_kept(entry: zoo.Entry, run: checkpoints.Checkpoint) -> bool:
    """Whether a run's float network is the shipped one, or started from it."""
    shipped = checkpoints.digest(checkpoints.read(entry.float_checkpoint).weights)
    start = run.notes["training"].get("start")
    if start not in (None, shipped):
        raise SystemExit("the run started from other weights than the shipped float network's")
    return shipped in (start, checkpoints.digest(run.weights))


def write_files(run: Path, folder: Path, plain: Path) -> None:
    """Copy the weights and convert them."""
    for kind, best in (("float32", plain), ("int8", run / "int8" / "best.safetensors")):
        weights = folder / f"{'float' if kind == 'float32' else kind}.safetensors"
        shutil.copyfile(best, weights)
        model = convert(weights, SIDE, SIDE, kind == "int8")
        (folder / f"{kind}.tflite").write_bytes(model)
        (folder / f"{kind}.onnx").write_bytes(from_tflite(model))


def make_card(
    entry: zoo.Entry,
    folder: Path,
    run: Path,
    notes: dict[str, Any],
    trained_on: str,
    float_by: str | None,
) -> dict[str, Any]:
    """What the network is and how it was trained."""
    training, tuning = notes["training"], notes["tuning"]
    made_by, tuned_by = training["recipe"]["name"], tuning["recipe"]["name"]
    if float_by and "start" not in training:
        runs = {"training": entry.card["training"]}
        quantize = "edge-sr quantize --checkpoint float.safetensors"
        commands = [float_by, f"{quantize} --recipe {tuned_by} --data DIR"]
    else:
        start = "--start float.safetensors " if float_by else ""
        command = (
            f"edge-sr train --model {entry.model} --scale {entry.scale} {start}--recipe {made_by} "
            f"--seed {training['seed']} --int8 --int8-recipe {tuned_by} --data DIR"
        )
        described = _describe_run(training, run)
        kept = {"training": entry.card["training"], "rounding": described}
        runs = kept if float_by else {"training": described}
        commands = [float_by, command] if float_by else [command]
    return {
        "model": entry.model,
        "scale": entry.scale,
        "parameters": graph.parameters(graph.read_graph(folder / "int8.tflite")),
        "data": f"{trained_on}; validation images held out of them",
        "remade_by": commands,
        **runs,
        "tuning": _describe_run(tuning, run / "int8"),
        "sha256": {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.iterdir())
        },
    }


def _describe_run(notes: dict[str, Any], run: Path) -> dict[str, Any]:
    epochs = len((run / "log.csv").read_text(encoding="utf-8").splitlines()) - 1
    return {
        "images": notes["images"],
        "seed": notes["seed"],
        "steps": epochs * notes["recipe"]["stop"]["steps_per_epoch"],
        "recipe": notes["recipe"],
    }


def measure(folder: Path, scale: int, test_sets: Path) -> dict[str, Any]:
    """PSNR and SSIM on the test sets, as `edge-sr eval` prints them."""
    upscalers: dict[str, Session | PlaneUpscaler] = {
        kind: open_session(folder / f"{kind}.tflite", "litert", 2) for kind in ("float32", "int8")
    }
    upscalers["bicubic"] = lambda plane: bicubic_upscale(plane, scale)
    return {
        name: {dataset: _score(upscaler, test_sets / dataset, scale) for dataset in SETS}
        for name, upscaler in upscalers.items()
    }


def _score(upscaler: Session | PlaneUpscaler, folder: Path, scale: int) -> dict[str, float]:
    average = mean(evaluate(upscaler, find_pairs(folder, scale), scale))
    return {"psnr": float(np.round(average.psnr, 3)), "ssim": float(np.round(average.ssim, 4))}


if __name__ == "__main__":
    main()
