"""Measure the speed of the entropy coder against zlib on the same samples, in one run.

python scripts/coder_speed.py KODAK   (a folder of images)

Samples are stand-ins for latents at rate 4: RGB averaged over blocks of 2x2 pixels, as luminance
and two colour differences. All planes of every image are coded and decoded on one core. The best of
several runs counts. Times are CPU time of this process, which other load on the machine disturbs
less than wall time.
"""

import argparse
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from coder_table import blocks, images

from edge_sr.codec.planes import BITS
from edge_sr.codec.quantizer import normalizing
from edge_sr.engine import coder

RUNS = 5
SIDE = 2
ZLIB_LEVEL = 6


def latents(image: np.ndarray) -> np.ndarray:
    """Stand-ins for the latents of an RGB image (height, width, 3): (3, rows, columns) uint8."""
    parts = blocks(image, SIDE)
    red, green, blue = parts.reshape(*parts.shape[:2], SIDE**2, 3).mean(2).transpose(2, 0, 1)
    values = np.stack(((red + 2 * green + blue) / 4, red - green, blue - green))
    return normalizing(values).quantize(values)


def seconds(work: Callable[[], object]) -> float:
    """The CPU time in seconds of the best of several runs."""
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def measure(samples: np.ndarray) -> np.ndarray:
    """The seconds to encode, decode, deflate and inflate samples: (4,)."""
    segments, plain = coder.encode(samples), samples.tobytes()
    deflated = zlib.compress(plain, ZLIB_LEVEL)
    return np.array(
        [
            seconds(lambda: coder.encode(samples)),
            seconds(lambda: coder.decode(segments, samples.shape)),
            seconds(lambda: zlib.compress(plain, ZLIB_LEVEL)),
            seconds(lambda: zlib.decompress(deflated)),
        ]
    )


def main() -> None:
    """Print millions of coded bits per second, and the ratio to zlib."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("test", type=Path, help="folder of images to code")
    coded = [latents(image) for image in images(parser.parse_args().test, 1)]
    bits = BITS * sum(samples.size for samples in coded)
    encode, decode, deflate, inflate = (
        bits / np.sum([measure(samples) for samples in coded], 0) / 1e6
    )
    print(f"{bits / 1e6:.1f} million coded bits; millions of bits per second of CPU time:")
    print(f"encode {encode:.1f}, {encode / deflate:.2f}x zlib -{ZLIB_LEVEL} ({deflate:.1f})")
    print(f"decode {decode:.1f}, {decode / inflate:.2f}x zlib ({inflate:.1f})")


if __name__ == "__main__":
    main()
