"""Put a trained network into the zoo: weights, ready artifacts, and a card with measured quality.

    python scripts/ship.py RUN --test-sets DIR --trained-on "DIV2K train"
    python scripts/ship.py RUN --thermal tinypssr-ir --test-sets DIR --trained-on "FLIR"

RUN is the folder of `edge-sr train --int8`; DIR holds set5, set14 and bsd100, or, for thermal
images, infrared/val. Only this script reads the test sets, after all choices have been made.

A RUN that started from the shipped float network, or whose best.safetensors is that network, keeps
the shipped one; --float-by is then the command that makes it. With --thermal, the network that RUN
started from is kept, RUN's gets the given name, and its card has the quality of both.
"""

import argparse
import dataclasses
import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from edge_sr import graph
from edge_sr.data.datasets import find_pairs
from edge_sr.data.degradation import bicubic_upscale
from edge_sr.evaluate import PlaneUpscaler, evaluate, mean
from edge_sr.models import checkpoint as checkpoints
from edge_sr.models.registry import config_dict
from edge_sr.runtime.opening import open_session
from edge_sr.runtime.session import Session
from edge_sr.training import recipe as recipes
from edge_sr.zoo import catalog
from edge_sr.zoo.catalog import Entry
from export.onnx import from_tflite
from export.tflite import convert


@dataclass(frozen=True)
class Protocol:
    """How a network is evaluated.

    Attributes:
        folders: of the test images, by the name of the set.
        border: pixels that are cropped; None: as many as the scale.
    """

    folders: dict[str, str]
    border: int | None


PHOTOGRAPHS = Protocol({name: name for name in ("set5", "set14", "bsd100")}, None)
THERMAL = Protocol({"infrared": "infrared/val"}, 4)  # the border of the slides
KINDS = ("float32", "int8")
SIDE = 32  # the input size written into the files; LiteRT and ONNX Runtime take any


def main() -> None:
    """Read the arguments and ship."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("run", type=Path, help="folder of the training run")
    parser.add_argument("--test-sets", type=Path, required=True, help="folder of the test sets")
    parser.add_argument("--trained-on", required=True, help="name of the training images")
    parser.add_argument(
        "--float-by", help="command that makes the shipped float network, if it is kept"
    )
    parser.add_argument(
        "--thermal", metavar="NAME", help="ship as NAME, evaluated on thermal images"
    )
    arguments = parser.parse_args()
    ship(arguments)


def ship(arguments: argparse.Namespace) -> None:
    """Replace the zoo's entry by that of a run."""
    run, float_by, thermal = arguments.run, arguments.float_by, arguments.thermal
    plain = checkpoints.read(run / "best.safetensors")
    quantized = checkpoints.read(run / "int8" / "best.safetensors")
    if any(quantized.notes.get(key) != value for key, value in plain.notes.items()):
        raise SystemExit(f"{run}/int8 was not quantized from {run}/best.safetensors")
    entry = Entry(catalog.FOLDER / f"{thermal or _name(quantized)}-x{quantized.config.scale}")
    start = _start(plain) if thermal else None
    with tempfile.TemporaryDirectory(dir=catalog.FOLDER) as scratch:
        folder = Path(scratch) / "entry"
        folder.mkdir()
        kept = not thermal and _is_kept(entry, plain)
        if kept != (float_by is not None):
            raise SystemExit(
                "--float-by is for runs that keep the shipped float network, and they need it"
            )
        write_files(run, folder, entry.checkpoint("float32") if kept else run / "best.safetensors")
        card = make_card(entry, folder, run, quantized, arguments.trained_on, float_by, start)
        protocol = THERMAL if thermal else PHOTOGRAPHS
        card["quality"] = measure(
            folder, start, quantized.config.scale, arguments.test_sets, protocol
        )
        (folder / "card.toml").write_text(tomli_w.dumps(card), encoding="utf-8")
        if entry.folder.exists():
            shutil.rmtree(entry.folder)
        folder.rename(entry.folder)


def _options(run: checkpoints.Checkpoint) -> dict[str, int]:
    """The options of a network that are not the defaults, without its scale."""
    defaults = config_dict(run.spec.config(run.config.scale))
    options = config_dict(run.config.folded)
    return {name: value for name, value in options.items() if value != defaults[name]}


def _name(run: checkpoints.Checkpoint) -> str:
    """The architecture and its size, unless that is the default: wdsr-a-3."""
    return "-".join([run.spec.name, *map(str, _options(run).values())])


def _start(run: checkpoints.Checkpoint) -> Entry:
    """The shipped network that a run started from."""
    for entry in catalog.entries("super-resolution"):
        shipped = checkpoints.read(entry.checkpoint("float32"))
        if checkpoints.digest(shipped.weights) == run.notes["training"].get("start"):
            return entry
    raise SystemExit("the run did not start from a shipped float network")


def _is_kept(entry: Entry, run: checkpoints.Checkpoint) -> bool:
    """Whether a run's float network is the shipped one, or started from it."""
    if not entry.folder.exists():
        return False
    shipped = checkpoints.digest(checkpoints.read(entry.checkpoint("float32")).weights)
    start = run.notes["training"].get("start")
    if start not in (None, shipped):
        raise SystemExit("the run started from other weights than the shipped float network's")
    return shipped in (start, checkpoints.digest(run.weights))


def write_files(run: Path, folder: Path, plain: Path) -> None:
    """Copy the weights and convert them."""
    for kind, best in (("float32", plain), ("int8", run / "int8" / "best.safetensors")):
        weights = folder / f"{'float' if kind == 'float32' else kind}.safetensors"
        shutil.copyfile(best, weights)
        model = convert(checkpoints.read(weights), SIDE, SIDE, kind == "int8")
        (folder / f"{kind}.tflite").write_bytes(model)
        (folder / f"{kind}.onnx").write_bytes(from_tflite(model))


def make_card(
    entry: Entry,
    folder: Path,
    run: Path,
    quantized: checkpoints.Checkpoint,
    trained_on: str,
    float_by: str | None,
    start: Entry | None,
) -> dict[str, Any]:
    """The card without quality: the network, and how it was trained."""
    training, qat = quantized.notes["training"], quantized.notes["tuning"]
    if float_by and "start" not in training:
        runs = {"training": _shipped_training(entry)}
        commands = [float_by, _quantize(qat)]
    else:
        init = f"edge_sr/zoo/{start.folder.name}/float.safetensors" if start else None
        init = "float.safetensors" if float_by else init
        commands = _train(quantized.config.scale, _options(quantized), training, qat, init)
        runs = {"training": _describe_run(training, run)}
        if float_by:
            runs = {"training": _shipped_training(entry), "rounding": runs["training"]}
            commands = [float_by, *commands]
    return {
        "model": quantized.spec.name,
        "options": _options(quantized),
        "scale": quantized.config.scale,
        "parameters": graph.parameters(graph.read_graph(folder / "int8.tflite")),
        "data": f"{trained_on}; validation images held out of them",
        "remade_by": commands,
        **runs,
        "tuning": _describe_run(qat, run / "int8"),
        "sha256": {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.iterdir())
        },
    }


def _shipped_training(entry: Entry) -> dict[str, Any]:
    """The float training on the card of a shipped network."""
    assert entry.card.training is not None
    return dataclasses.asdict(entry.card.training)


def _train(
    scale: int,
    options: dict[str, int],
    training: dict[str, Any],
    qat: dict[str, Any],
    init: str | None,
) -> list[str]:
    """The commands of a run, with the checkpoint that it started from, if any."""
    size = "".join(f"--{name} {value} " for name, value in options.items())
    train = (
        f"edge-sr train --model {training['model']} {size}--scale {scale} "
        f"{f'--start {init} ' if init else ''}--recipe {training['recipe']['name']} "
        f"{_epochs(training['recipe'])}--seed {training['seed']}"
    )
    if _epochs(qat["recipe"]):
        return [f"{train} --data DIR", _quantize(qat)]
    return [f"{train} --int8 --int8-recipe {qat['recipe']['name']} --data DIR"]


def _quantize(qat: dict[str, Any]) -> str:
    return (
        f"edge-sr quantize --checkpoint float.safetensors --recipe {qat['recipe']['name']} "
        f"{_epochs(qat['recipe'])}--data DIR"
    )


def _epochs(recipe: dict[str, Any]) -> str:
    """The option --epochs, if a run had other epochs than its recipe."""
    epochs = recipe["stop"]["epochs"]
    return "" if recipes.load(recipe["name"]).stop.epochs == epochs else f"--epochs {epochs} "


def _describe_run(notes: dict[str, Any], run: Path) -> dict[str, Any]:
    epochs = len((run / "log.csv").read_text(encoding="utf-8").splitlines()) - 1
    return {
        "images": notes["images"],
        "seed": notes["seed"],
        "steps": epochs * notes["recipe"]["stop"]["steps_per_epoch"],
        "recipe": notes["recipe"],
    }


def measure(
    folder: Path, start: Entry | None, scale: int, test_sets: Path, protocol: Protocol
) -> dict[str, Any]:
    """PSNR and SSIM on the test sets, as `edge-sr eval` prints them."""

    def score(upscaler: Session | PlaneUpscaler) -> dict[str, dict[str, float]]:
        return {
            name: _score(upscaler, test_sets / images, scale, protocol.border)
            for name, images in protocol.folders.items()
        }

    found: dict[str, Any] = {kind: score(_open(folder / f"{kind}.tflite")) for kind in KINDS}
    found["bicubic"] = score(lambda plane: bicubic_upscale(plane, scale))
    if start:
        found["start"] = {kind: score(_open(start.file(kind, ".tflite"))) for kind in KINDS}
    return found


def _open(path: Path) -> Session:
    return open_session(path, "litert", 2)


def _score(
    upscaler: Session | PlaneUpscaler, folder: Path, scale: int, border: int | None
) -> dict[str, float]:
    average = mean(evaluate(upscaler, find_pairs(folder, scale), scale, border=border))
    return {"psnr": float(np.round(average.psnr, 3)), "ssim": float(np.round(average.ssim, 4))}


if __name__ == "__main__":
    main()
