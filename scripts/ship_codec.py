"""Put a trained codec into the zoo: weights, ready parts, and a card with measured quality.

    python scripts/ship_codec.py RUN --name 16 --kodak DIR --trained-on "DIV2K train"

RUN is the folder of a float run that was quantized (`RUN/int8`). `--first` is a command that was
run before it. `--rounded` is a run that started from it, with everything rounded; then the last of
these was quantized instead. Only this script reads Kodak, after all choices have been made.
"""

import argparse
import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from benchmarks.rate_distortion import codecs as measured
from benchmarks.rate_distortion.quality import compare
from benchmarks.rate_distortion.study import find_images
from edge_sr.data.images import read_image
from edge_sr.models import checkpoint as checkpoints
from edge_sr.models import tinycompress
from edge_sr.training import recipe as recipes
from edge_sr.zoo import catalog
from export.tflite import convert_part

PLANES = 8
SIDE = 32  # the input size of the exported files; the image's may have to be larger


def main() -> None:
    """Read the arguments and ship."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("run", type=Path, help="folder of the training run")
    parser.add_argument("--name", required=True, help="16, rd...: its folder is tinycompress-NAME")
    parser.add_argument("--kodak", type=Path, required=True, help="folder of the test images")
    parser.add_argument("--trained-on", required=True, help="name of the training images")
    parser.add_argument(
        "--first", action="append", default=[], help="a command that was run before"
    )
    parser.add_argument(
        "--rounded", type=Path, action="append", default=[], help="a run between RUN and its int8"
    )
    arguments = parser.parse_args()
    runs = [arguments.run, *arguments.rounded]
    target = catalog.FOLDER / f"{catalog.CODEC}-{arguments.name}"
    with tempfile.TemporaryDirectory(dir=catalog.FOLDER) as scratch:
        folder = Path(scratch) / target.name
        folder.mkdir()
        write_files(runs, folder)
        card = make_card(runs, folder, arguments.trained_on, arguments.first)
        card["quality"] = measure(folder, arguments.kodak)
        (folder / "card.toml").write_text(tomli_w.dumps(card), encoding="utf-8")
        if target.exists():
            shutil.rmtree(target)
        folder.rename(target)


def write_files(runs: Sequence[Path], folder: Path) -> None:
    """Copy the weights and convert the parts."""
    weights_of_runs = [checkpoints.read(run / "best.safetensors") for run in runs]
    for earlier, later in pairwise(weights_of_runs):
        if later.notes["training"].get("start") != checkpoints.digest(earlier.weights):
            raise SystemExit("a rounded run did not start from the run before it")
    plain, last = weights_of_runs[0], weights_of_runs[-1]
    kinds = {"float32": runs[0] / "best.safetensors"}
    if (runs[-1] / "int8" / "best.safetensors").exists():
        kinds["int8"] = runs[-1] / "int8" / "best.safetensors"
        quantized = checkpoints.read(kinds["int8"])
        if any(quantized.notes.get(key) != value for key, value in last.notes.items()):
            raise SystemExit(f"{runs[-1]}/int8 was not quantized from {runs[-1]}/best.safetensors")
    assert isinstance(plain.config, tinycompress.CodecConfig)
    side = max(SIDE, 2**plain.config.iterations)
    for kind, best in kinds.items():
        weights = folder / f"{'float' if kind == 'float32' else kind}.safetensors"
        shutil.copyfile(best, weights)
        read = checkpoints.read(weights)
        for part in tinycompress.PARTS:
            model = convert_part(read, part, side, side, kind == "int8")
            (folder / f"{part}-{kind}.tflite").write_bytes(model)


def make_card(
    runs: Sequence[Path], folder: Path, trained_on: str, first: list[str]
) -> dict[str, Any]:
    """The card without quality: the codec, and how it was trained."""
    plain = checkpoints.read(folder / "float.safetensors")
    config = plain.config
    assert isinstance(config, tinycompress.CodecConfig)
    commands = [*first, *(_training_command(run, config.rate) for run in runs)]
    described: dict[str, Any] = {"training": _describe(plain.notes["training"], runs[0])}
    if runs[1:]:
        notes = [checkpoints.read(run / "best.safetensors").notes["training"] for run in runs[1:]]
        described["rounding"] = [_describe(*each) for each in zip(notes, runs[1:], strict=True)]
    if (folder / "int8.safetensors").exists():
        qat = checkpoints.read(folder / "int8.safetensors").notes["tuning"]
        options = _recipe_options(qat["recipe"])
        source = "ROUNDED.safetensors" if runs[1:] else "float.safetensors"
        commands.append(f"edge-sr quantize --checkpoint {source} {options} --data DIR")
        described["tuning"] = _describe(qat, runs[-1] / "int8")
    return {
        "model": plain.spec.name,
        "rate": config.rate,
        "parameters": sum(count for _, count in plain.spec.published[1]),
        "data": f"{trained_on}; validation images held out of them",
        "remade_by": commands,
        **described,
        "sha256": {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.iterdir())
        },
    }


def _training_command(run: Path, rate: int) -> str:
    training = checkpoints.read(run / "best.safetensors").notes["training"]
    start = "--start START.safetensors " if "start" in training else ""
    return (
        f"edge-sr train --model tinycompress --rate {rate} {start}--seed {training['seed']} "
        f"{_recipe_options(training['recipe'])} --data DIR"
    )


def _recipe_options(used: dict[str, Any]) -> str:
    """The options that name the shipped recipe with the same settings.

    Entries that did not exist when a run was made have their defaults.
    """
    used = {**recipes.to_dict(recipes.Recipe(name="", source="")), **used}
    for name in recipes.names():
        known = recipes.to_dict(recipes.load(name))
        epochs = used["stop"]["epochs"]
        changed = {**known, "stop": {**known["stop"], "epochs": epochs}}
        if all(_same(changed[key], used[key]) for key in changed if key not in ("name", "source")):
            more = "" if epochs == known["stop"]["epochs"] else f" --epochs {epochs}"
            return f"--recipe {name}{more}"
    raise SystemExit(f"no shipped recipe has the settings of {used['name']} in this run")


def _same(ours: Any, theirs: Any) -> bool:
    """Whether all of our entries are equal."""
    if isinstance(ours, dict):
        return all(_same(value, theirs.get(key)) for key, value in ours.items())
    return bool(list(ours) == list(theirs) if isinstance(ours, list | tuple) else ours == theirs)


def _describe(notes: dict[str, Any], run: Path) -> dict[str, Any]:
    epochs = len((run / "log.csv").read_text(encoding="utf-8").splitlines()) - 1
    return {
        "images": notes["images"],
        "seed": notes["seed"],
        "steps": epochs * notes["recipe"]["stop"]["steps_per_epoch"],
        "recipe": notes["recipe"],
    }


def measure(folder: Path, kodak: Path) -> dict[str, Any]:
    """Means over the test images with all bit planes, as `edge-sr rd` prints them."""
    networks = measured.open_networks([str(folder)], tinycompress.RATES)
    images = [read_image(image.path).pixels for image in find_images(kodak)]
    return {
        "int8" if network.name.endswith("int8") else "float32": {"kodak": _mean(network, images)}
        for network in networks
    }


def _mean(network: measured.TinyCompress, images: list[np.ndarray]) -> dict[str, float]:
    rows = []
    for pixels in images:
        coded = next(iter(network.code(pixels, [PLANES])))
        quality = compare(pixels, coded.pixels)
        bpp = 8 * coded.size / (pixels.shape[0] * pixels.shape[1])
        rows.append((bpp, quality.psnr_y, quality.psnr_rgb, quality.ms_ssim))
    means = np.mean(np.array(rows, float), axis=0)
    names = ("bpp", "psnr_y", "psnr_rgb", "ms_ssim")
    return {name: round(float(value), 4) for name, value in zip(names, means, strict=True)}


if __name__ == "__main__":
    main()
