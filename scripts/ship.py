"""Put a trained network into the zoo: weights, ready artifacts, and a card with measured quality.

    python scripts/ship.py RUN --test-sets DIR --trained-on "DIV2K train"

RUN is the folder of `edge-sr train --int8`; DIR holds set5, set14 and bsd100. The test sets are
read here alone, after all choices have been made. A RUN that started from the shipped float network
leaves that one in place: only what int8 was tuned from is RUN's. Then --float-by says how the float
network is made.
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
        kept = _is_kept(entry, tuned.notes)
        if kept != (float_by is not None):
            raise SystemExit("--float-by is for runs that started from the shipped float network")
        write_files(run, folder, entry.float_checkpoint if kept else run / "best.safetensors")
        card = make_card(entry, folder, run, tuned.notes, trained_on, float_by)
        card["quality"] = measure(folder, entry.scale, test_sets)
        (folder / "card.toml").write_text(tomli_w.dumps(card), encoding="utf-8")
        if entry.folder.exists():
            shutil.rmtree(entry.folder)
        folder.rename(entry.folder)


def _is_kept(entry: zoo.Entry, notes: dict[str, Any]) -> bool:
    start = notes["training"].get("start")
    if start is None:
        return False
    if start != checkpoints.digest(checkpoints.read(entry.float_checkpoint).weights):
        raise SystemExit("the run started from other weights than the shipped float network's")
    return True


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
    start = " --start float.safetensors" if float_by else ""
    command = (
        f"edge-sr train --model {entry.model} --scale {entry.scale} "
        f"--recipe {training['recipe']['name']}{start} --seed {training['seed']} "
        f"--int8 --int8-recipe {tuning['recipe']['name']} --data DIR"
    )
    described = _describe_run(training, run)
    runs = {"training": described}
    if float_by:
        runs = {"training": entry.card["training"], "rounding": described}
    return {
        "model": entry.model,
        "scale": entry.scale,
        "parameters": graph.parameters(graph.read_graph(folder / "int8.tflite")),
        "data": f"{trained_on}; validation images held out of them",
        "remade_by": [float_by, command] if float_by else [command],
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
