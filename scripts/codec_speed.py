"""Measure the time of encoding and decoding an image with the learned codec.

python scripts/codec_speed.py IMAGE
python scripts/codec_speed.py IMAGE --model cae-low --quality 4 --threads 2

Times are of the whole way, from pixels to the bytes of a file and back, with the networks open. The
best of several runs counts.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from edge_sr.codec import codec, learned, opening
from edge_sr.data.images import read_image

RUNS = 10


def milliseconds(work: Callable[[], object]) -> float:
    """The time of the best of several runs."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def main() -> None:
    """Print a line for each quality."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--quality", type=float, action="append")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    pixels = read_image(options.image).pixels
    height, width = pixels.shape[:2]
    ladder = opening.find_ladder(options.model, threads=options.threads)
    print(f"{width}x{height}, {options.threads} threads")
    for quality in options.quality or (3.0, 5.0, 7.0, 9.0):
        coding = ladder.at(quality)
        data = learned.compress(pixels, coding)
        encoding = milliseconds(lambda: learned.compress(pixels, coding))  # noqa: B023
        decoding = milliseconds(lambda: codec.decompress(data, coding.codec))  # noqa: B023
        bpp = 8 * len(data) / (width * height)
        print(f"quality {quality:g}: {bpp:.3f} bpp, {encoding:.1f} ms encoding, {decoding:.1f} ms")


if __name__ == "__main__":
    main()
