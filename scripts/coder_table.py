"""Tabulate the compression of the entropy coder on stand-ins for latents.

python scripts/coder_table.py TRAIN KODAK   (folders of images; docs/results/codecs.md: BSDS, Kodak)

No network is needed: the latents are the first three principal components of RGB blocks of 2x2, 4x4
and 8x8 pixels, learned from every tenth image of TRAIN. Each channel of each image is normalized to
8 bits. Bits are means over all samples of all images of the second folder:

raw       planes without coding
static    entropy of the symbols of each channel of each image, without the table
adaptive  an adaptive order-0 code of the same symbols, with counts that start at 1
ours      the segments of edge_sr.engine.coder, in whole bytes
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.rate_distortion.order0 import adaptive_bits, static_bits
from edge_sr.codec.planes import BITS
from edge_sr.codec.quantizer import normalizing
from edge_sr.engine import coder

SIDES = (2, 4, 8)
CHANNELS = 3
EVERY = 10


def images(folder: Path, every: int) -> Iterator[np.ndarray]:
    """Yield every `every`-th image of a folder as RGB (height, width, 3), 0 to 1."""
    suffixes = (".png", ".jpg", ".bmp")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
    for path in paths[::every]:
        with Image.open(path) as image:
            yield np.asarray(image.convert("RGB"), np.float64) / 255


def blocks(image: np.ndarray, side: int) -> np.ndarray:
    """The pixels of each block, (rows, columns, 3 * side * side); incomplete blocks are dropped."""
    height, width = (size // side for size in image.shape[:2])
    parts = image[: height * side, : width * side].reshape(height, side, width, side, 3)
    return parts.transpose(0, 2, 1, 3, 4).reshape(height, width, -1)


@dataclass(frozen=True)
class Basis:
    """Principal components of blocks."""

    mean: np.ndarray
    vectors: np.ndarray

    def latents(self, image: np.ndarray, side: int) -> np.ndarray:
        """Project the blocks of an image: (channels, rows, columns)."""
        return ((blocks(image, side) - self.mean) @ self.vectors).transpose(2, 0, 1)


def learn(training: list[np.ndarray], side: int) -> Basis:
    """Compute the components of the largest variance."""
    rows = np.concatenate([blocks(image, side).reshape(-1, 3 * side**2) for image in training])
    _, vectors = np.linalg.eigh(np.cov(rows.T))
    return Basis(rows.mean(0), vectors[:, : -CHANNELS - 1 : -1])


def measure(samples: np.ndarray) -> np.ndarray:
    """The bits of 1 to 8 planes with static, adaptive and our coding: (8, 3)."""
    ours = np.cumsum([8 * len(segment) for segment in coder.encode(samples)])
    rows = []
    for planes in range(1, BITS + 1):
        symbols = samples >> (BITS - planes)
        static = sum(map(static_bits, symbols))
        adaptive = sum(adaptive_bits(channel, 1 << planes) for channel in symbols)
        rows.append((static, adaptive, ours[planes - 1]))
    return np.array(rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("train", type=Path, help="folder of images to learn the components from")
    parser.add_argument("test", type=Path, help="folder of images to code")
    arguments = parser.parse_args()
    training, test = list(images(arguments.train, EVERY)), list(images(arguments.test, 1))
    print("| rate | planes | raw | static | adaptive | ours | saved over static | saved over raw |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    for side in SIDES:
        basis = learn(training, side)
        all_latents = [basis.latents(image, side) for image in test]
        coded = [normalizing(latents).quantize(latents) for latents in all_latents]
        bits = sum(map(measure, coded)) / sum(samples.size for samples in coded)
        for planes, (static, adaptive, ours) in reversed(list(enumerate(bits, 1))):
            cells = (f"{static:.3f}", f"{adaptive:.3f}", f"{ours:.3f}")
            saved = (f"{1 - ours / static:.1%}", f"{1 - ours / planes:.1%}")
            print("|", " | ".join((f"{side**2}", f"{planes}", f"{planes}", *cells, *saved)), "|")


if __name__ == "__main__":
    main()
