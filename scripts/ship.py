"""Put a trained network into the zoo: weights, ready artifacts, and a card with measured quality.

    python scripts/ship.py RUN --data DIR

RUN is the folder of `edge-sr train --int8` (best.safetensors and int8/best.safetensors); DIR holds
set5, set14 and bsd100. The test sets are read here alone, after all choices have been made.
"""

import argparse
import hashlib
import shutil
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
    parser.add_argument("--data", type=Path, required=True, help="folder of the test sets")
    arguments = parser.parse_args()
    ship(arguments.run, arguments.data)


def ship(run: Path, data: Path) -> None:
    """Write the zoo's entry for a run."""
    source = checkpoints.read(run / "int8" / "best.safetensors")
    entry = zoo.Entry(source.spec.name, source.config.scale)
    entry.folder.mkdir(exist_ok=True)
    shutil.copyfile(run / "best.safetensors", entry.float_checkpoint)
    shutil.copyfile(run / "int8" / "best.safetensors", entry.int8_checkpoint)
    for kind, weights in (("float32", entry.float_checkpoint), ("int8", entry.int8_checkpoint)):
        model = convert(weights, SIDE, SIDE, kind == "int8")
        entry.artifact(kind, ".tflite").write_bytes(model)
        entry.artifact(kind, ".onnx").write_bytes(from_tflite(model))
    card = make_card(entry, source.notes, data)
    (entry.folder / "card.toml").write_text(tomli_w.dumps(card), encoding="utf-8")


def make_card(entry: zoo.Entry, notes: dict[str, Any], data: Path) -> dict[str, Any]:
    """The card: what the network is, how it was trained, how good it was measured to be."""
    network = graph.read_graph(entry.artifact("int8", ".tflite"))
    files = sorted(path for path in entry.folder.iterdir() if path.name != "card.toml")
    return {
        "model": entry.model,
        "scale": entry.scale,
        "parameters": graph.parameters(network),
        "data": "t91 and BSDS500 train + test (491 images), validation images held out of them",
        "remade_by": f"edge-sr train --model {entry.model} --scale {entry.scale} --int8 --data DIR",
        "training": _run(notes["training"]),
        "tuning": _run(notes["tuning"]),
        "quality": measure(entry, data),
        "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
    }


def _run(notes: dict[str, Any]) -> dict[str, Any]:
    stop = notes["recipe"]["stop"]
    return {
        "images": notes["images"],
        "seed": notes["seed"],
        "steps": stop["epochs"] * stop["steps_per_epoch"],
        "recipe": notes["recipe"],
    }


def measure(entry: zoo.Entry, data: Path) -> dict[str, Any]:
    """PSNR and SSIM on the test sets, as `edge-sr eval` prints them."""
    upscalers: dict[str, Session | PlaneUpscaler] = {
        kind: open_session(entry.artifact(kind, ".tflite"), "litert", 2)
        for kind in ("float32", "int8")
    }
    upscalers["bicubic"] = lambda plane: bicubic_upscale(plane, entry.scale)
    return {
        name: {dataset: _score(upscaler, data / dataset, entry.scale) for dataset in SETS}
        for name, upscaler in upscalers.items()
    }


def _score(upscaler: Session | PlaneUpscaler, folder: Path, scale: int) -> dict[str, float]:
    average = mean(evaluate(upscaler, find_pairs(folder, scale), scale))
    return {"psnr": float(np.round(average.psnr, 3)), "ssim": float(np.round(average.ssim, 4))}


if __name__ == "__main__":
    main()
