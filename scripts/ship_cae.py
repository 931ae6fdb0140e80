"""Put a trained compressive autoencoder into the zoo, with its context model and a card.

    python scripts/ship_cae.py RUN --name cae-low --data DIR --kodak DIR --trained-on "photographs"

RUN is the folder of a float run that was quantized (`RUN/int8`). The context model is fitted to the
symbols that the int8 encoder gives for the images of --data. Only this script reads Kodak, after
all choices have been made.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from benchmarks.rate_distortion.quality import compare
from edge_sr.codec import context, places, quality
from edge_sr.data.image_types import Pixels
from edge_sr.data.images import list_images, read_image
from edge_sr.engine import symbols as coder
from edge_sr.models import checkpoint as checkpoints
from edge_sr.models import registry
from edge_sr.models.cae import STEP, CaeConfig
from edge_sr.runtime.opening import open_part
from edge_sr.runtime.pixels import decode, encode
from edge_sr.training import cae_run
from edge_sr.training import recipe as recipes
from edge_sr.zoo import catalog
from export.tflite import convert_part

KINDS = {"float32": "float", "int8": "int8"}
ROWS_PER_PART = 16


def main() -> None:
    """Read the arguments and ship."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("run", type=Path, help="folder of the training run")
    parser.add_argument("--name", required=True, help="cae-low...: the id")
    parser.add_argument("--data", type=Path, required=True, help="folder of training images")
    parser.add_argument("--kodak", type=Path, required=True, help="folder of the test images")
    parser.add_argument("--trained-on", required=True, help="name of the training images")
    parser.add_argument(
        "--first", action="append", default=[], help="a command that was run before"
    )
    parser.add_argument("--out", type=Path, default=catalog.FOLDER, help="folder of all networks")
    arguments = parser.parse_args()
    target = arguments.out / arguments.name
    with tempfile.TemporaryDirectory(dir=arguments.out) as scratch:
        folder = Path(scratch) / target.name
        folder.mkdir()
        write_networks(arguments.run, folder)
        write_context(arguments.run, folder, arguments.data)
        card = make_card(arguments.run, folder, arguments.trained_on, arguments.first)
        card["quality"] = measure(folder, arguments.kodak)
        (folder / "card.toml").write_text(tomli_w.dumps(card), encoding="utf-8")
        if target.exists():
            shutil.rmtree(target)
        folder.rename(target)


def write_networks(run: Path, folder: Path) -> None:
    """Copy the weights and convert the parts."""
    sources = {"float32": run / "best.safetensors", "int8": run / "int8" / "best.safetensors"}
    for kind, source in sources.items():
        shutil.copyfile(source, folder / f"{KINDS[kind]}.safetensors")
        read = checkpoints.read(source)
        for part, side in (("encoder", 4 * STEP), ("decoder", 4)):
            model = convert_part(read, part, side, side, kind == "int8")
            (folder / f"{part}-{kind}.tflite").write_bytes(model)


def write_context(run: Path, folder: Path, data: Path) -> None:
    """Fit the context model of the run to the symbols of the int8 encoder."""
    result = cae_run.read_result(run / "best.safetensors")
    assert result.lambdas is not None
    lambdas = float(result.lambdas[0]), float(result.lambdas[-1])
    master = context.of_weights(result.weights, lambdas, 1.0)
    master.write(folder / "context.safetensors")
    script = Path(__file__).with_name("fit_codec_context.py")
    subprocess.run([sys.executable, script, folder, data], check=True)


def _rgb(path: Path) -> Pixels:
    pixels = read_image(path).pixels
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def _padded(pixels: Pixels) -> Pixels:
    bottom, right = (-size % STEP for size in pixels.shape[:2])
    return np.pad(pixels, ((0, bottom), (0, right), (0, 0)), "edge")


def make_card(run: Path, folder: Path, trained_on: str, first: list[str]) -> dict[str, Any]:
    """The card without quality: the codec, and how it was trained."""
    plain = checkpoints.read(folder / "float.safetensors")
    tuned = checkpoints.read(folder / "int8.safetensors")
    training, tuning = plain.notes["training"], tuned.notes["tuning"]
    start = "--start START/best.safetensors " if "start" in training else ""
    return {
        "model": plain.spec.name,
        "parameters": sum(array.size for array in plain.weights.values()),
        "data": f"{trained_on}; validation images held out of them",
        "remade_by": [
            *first,
            f"edge-sr train --model cae {start}{_options(training)} --data DIR",
            f"edge-sr quantize --checkpoint RUN/best.safetensors {_options(tuning)} --data DIR",
            f"python scripts/ship_cae.py RUN --name {folder.name} --data DIR "
            f"--kodak DIR --trained-on '{trained_on}'",
        ],
        "options": {
            name: value
            for name, value in registry.config_dict(plain.config).items()
            if value != registry.config_dict(CaeConfig())[name]
        },
        "training": _describe(training, run),
        "tuning": _describe(tuning, run / "int8"),
        "sha256": {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.iterdir())
        },
    }


def _options(notes: dict[str, Any]) -> str:
    """The options of the recipe of a run; only the number of epochs may differ from it."""
    used = notes["recipe"]
    known = recipes.to_dict(recipes.load(used["name"]))
    epochs = used["stop"]["epochs"]
    expected = json.loads(json.dumps({**known, "stop": {**known["stop"], "epochs": epochs}}))
    if expected != used:
        raise SystemExit(f"the shipped recipe {used['name']} is not that of the run")
    more = "" if epochs == known["stop"]["epochs"] else f" --epochs {epochs}"
    return f"--recipe {used['name']} --seed {notes['seed']}{more}"


def _describe(notes: dict[str, Any], run: Path) -> dict[str, Any]:
    log = run / "log.csv"
    stop = notes["recipe"]["stop"]
    epochs = int(log.read_text(encoding="utf-8").splitlines()[-1].split(",")[0])
    return {
        "images": notes["images"],
        "seed": notes["seed"],
        "steps": epochs * stop["steps_per_epoch"],
        "recipe": notes["recipe"],
    }


def measure(folder: Path, kodak: Path) -> dict[str, Any]:
    """Means over the test images at the middle place."""
    master = context.Master.read(folder / "context.safetensors")
    images = [_rgb(path) for path in list_images(kodak)]
    names, place = ("bpp", "psnr_y", "psnr_rgb", "ms_ssim"), master.top / 2
    span = quality.span(folder.name, master.top + 1)
    middle = round(span.quality(round(place * quality.PLACE_STEPS)), 2)
    found: dict[str, Any] = {}
    for kind in KINDS:
        rows = [measure_one(folder, kind, master, place, image) for image in images]
        means = np.mean(np.array(rows, float), axis=0)
        score = {name: round(float(value), 4) for name, value in zip(names, means, strict=True)}
        print(folder.name, kind, f"place {place:g}", score, flush=True)
        found[kind] = {"kodak": {**score, "quality": middle}}
    return found


def measure_one(
    folder: Path, kind: str, master: context.Master, place: float, pixels: Pixels
) -> tuple[float, float, float, float]:
    """Bits per pixel and quality of one image, coded and decoded."""
    ratios, steps = context.gain_ratios(master, place), context.steps(master, place)
    parts = {
        part: (folder / f"{part}-{kind}.tflite").read_bytes() for part in ("encoder", "decoder")
    }
    if kind == "int8":
        parts["encoder"] = places.encoder_at(parts["encoder"], ratios)
        parts["decoder"] = places.decoder_at(parts["decoder"], steps)
    encoder, decoder = (open_part(parts[part], latents=None) for part in ("encoder", "decoder"))
    values = encoder.run(encode(_padded(pixels), encoder.input)[None])[0]
    if kind == "float32":
        values = np.clip(np.rint(values * ratios), -127, 127).astype(np.int8)
    files = coder.encode(values, context.fold(master, place), ROWS_PER_PART)
    size = 64 + sum(len(part) + 8 for part in files)  # the header, and each part's size and CRC
    if kind == "float32":
        values = (values * steps).astype(np.float32)
    height, width = pixels.shape[:2]
    restored = decode(decoder.run(np.ascontiguousarray(values[None]))[0], decoder.output)
    found = compare(pixels, restored[:height, :width])
    assert found.psnr_rgb is not None
    assert found.ms_ssim is not None
    return 8 * size / (height * width), found.psnr_y, found.psnr_rgb, found.ms_ssim


if __name__ == "__main__":
    main()
