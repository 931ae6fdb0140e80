"""Drawn pages to train on: text, charts, flat areas. Folders of photographs hardly have them, and
screens, slides and displays hold little else.
"""

import string
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from edge_sr.data.patches import Pixels

SIDE = 512
"""Of a page, pixels."""

_LETTERS = string.ascii_letters + string.digits + ".,:;-+%()"


def pages(count: int, seed: int) -> Iterator[Pixels]:
    """Gray pages of text, lines and shapes on flat or shaded ground.

    Args:
        count: pages to draw.
        seed: the same one gives the same pages.

    Yields:
        uint8 (SIDE, SIDE).
    """
    rng = np.random.default_rng(seed)
    for _ in range(count):
        page = Image.fromarray(_ground(rng))
        draw = ImageDraw.Draw(page)
        for _ in range(int(rng.integers(2, 8))):
            _shape(draw, rng)
        for _ in range(int(rng.integers(6, 16))):
            _text(draw, rng)
        yield np.asarray(page)


def _ground(rng: np.random.Generator) -> Pixels:
    """A flat level, black and white often among them, or a shade between two."""
    some = np.append(rng.integers(256, size=2), (0, 255))
    levels = rng.choice(some, size=2).tolist()
    end = levels[0] if rng.random() < 0.7 else levels[1]
    shade = np.linspace(levels[0], end, SIDE).round().astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(shade[:, None], (SIDE, SIDE)))


def _shape(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    (left, right), (top, bottom) = np.sort(rng.integers(SIDE, size=(2, 2))).tolist()
    level, width = int(rng.integers(256)), int(rng.integers(1, 6))
    kind = rng.integers(4)
    if kind == 0:
        draw.rectangle((left, top, right, bottom), fill=level)
    elif kind == 1:
        draw.ellipse((left, top, right, bottom), outline=level, width=width)
    elif kind == 2:
        draw.line((left, top, right, bottom), fill=level, width=width)
    else:
        for y in range(top, bottom, 4 * width):
            draw.line((left, y, right, y), fill=level, width=width)


def _text(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    font = ImageFont.load_default(size=float(rng.integers(10, 48)))
    words = ["".join(rng.choice(list(_LETTERS), rng.integers(2, 9))) for _ in range(8)]
    place = tuple(rng.integers(-20, SIDE - 20, size=2).tolist())
    level = int(rng.choice((0, 255, int(rng.integers(256)))))
    draw.multiline_text(place, " ".join(words[:4]) + "\n" + " ".join(words[4:]), level, font)
