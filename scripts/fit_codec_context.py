"""Fit the context model of a codec with qualities to the symbols of its int8 encoder.

python scripts/fit_codec_context.py FOLDER IMAGES [--weights BEST.safetensors --lambdas LOW HIGH]

FOLDER is the codec's, with encoder-int8.tflite. With --weights, its context.safetensors is made
from a trained network first; otherwise it is there already. IMAGES is a folder of training images:
never those that the codec is measured on. It takes about a minute of one core. What the symbols
cost before and after is printed, for images that the fit did not see.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image
from safetensors.numpy import load_file

from edge_sr.codec import context, context_fit, places
from edge_sr.codec.context_fit import Sample
from edge_sr.engine import symbols

CROP, HELD_OUT, ROWS = 256, 8, 16
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def crops(folder: Path, count: int) -> list[np.ndarray]:
    """Squares of random images, int8 (1,CROP,CROP,3) as the encoder takes them."""
    rng = np.random.default_rng(0)
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    found: list[np.ndarray] = []
    for index in rng.permutation(len(paths)):
        pixels = np.asarray(Image.open(paths[index]).convert("RGB"))
        if min(pixels.shape[:2]) >= CROP and len(found) < count:
            y, x = (int(rng.integers(0, side - CROP + 1)) for side in pixels.shape[:2])
            crop = pixels[y : y + CROP, x : x + CROP]
            found.append((crop.astype(np.int16) - 128).astype(np.int8)[None])
    return found


def encoded(encoder: bytes, images: list[np.ndarray]) -> list[np.ndarray]:
    """The symbols (h,w,C) of images."""
    interpreter = Interpreter(model_content=encoder, num_threads=1)
    source = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(source, (1, CROP, CROP, 3))
    interpreter.allocate_tensors()
    output, result = interpreter.get_output_details()[0]["index"], []
    for image in images:
        interpreter.set_tensor(source, image)
        interpreter.invoke()
        result.append(np.maximum(interpreter.get_tensor(output)[0], -symbols.LARGEST))
    return result


def samples(
    master: context.Master, encoder: bytes, images: list[np.ndarray], share: int
) -> list[Sample]:
    """Symbols of every `share`th image at each of the trained qualities and halfway between."""
    found = []
    for number, place in enumerate(np.arange(0, master.top + 0.1, 0.5)):
        network = places.encoder_at(encoder, context.gain_ratios(master, float(place)))
        chosen = images[number % share :: share]
        found += [Sample(values, float(place)) for values in encoded(network, chosen)]
    return found


def report(name: str, master: context.Master, held_out: list[Sample]) -> None:
    """Print the saving against each channel's ideal code of order 0, of real coded bytes."""
    cells = []
    for place in sorted({sample.place for sample in held_out}):
        blob, coded, ideal = context.fold(master, place), 0, 0.0
        for sample in (each for each in held_out if each.place == place):
            coded += 8 * sum(map(len, symbols.encode(sample.symbols, blob, ROWS)))
            ideal += sum(
                order_0(channel) for channel in sample.symbols.reshape(-1, master.channels).T
            )
        cells.append(f"{place:g}: {1 - coded / ideal:.1%}")
    print(name, *cells, flush=True)


def order_0(values: np.ndarray) -> float:
    """Bits of the ideal code of values by their own histogram."""
    counts = np.unique(values, return_counts=True)[1]
    return float(-(counts * np.log2(counts / counts.sum())).sum())


def main() -> None:
    """Fit, and write context.safetensors."""
    parser = argparse.ArgumentParser(description="Fit a codec's context model.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--lambdas", type=float, nargs=2)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--iterations", type=int, default=1500)
    options = parser.parse_args()
    path = options.folder / "context.safetensors"
    if options.weights:
        master = context.of_weights(load_file(options.weights), options.lambdas, 1.0)
    else:
        master = context.Master.read(path)
    encoder = (options.folder / "encoder-int8.tflite").read_bytes()
    images = crops(options.images, options.count + HELD_OUT)
    held_out = samples(master, encoder, images[:HELD_OUT], 1)
    seen = samples(master, encoder, images[HELD_OUT:], 3)
    master = context_fit.calibrated(master, seen)
    report("before", master, held_out)
    master = context_fit.fit(master, seen, options.iterations)
    report("after", master, held_out)
    master.write(path)


if __name__ == "__main__":
    main()
