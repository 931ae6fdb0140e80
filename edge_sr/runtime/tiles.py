"""Windows that cover an image, so that memory does not grow with it."""

from dataclasses import dataclass

import numpy as np

from edge_sr.runtime.session import Session

TILE = 512
"""Pixels of a side, of the larger of input and output, that are kept of a window of a codec."""


@dataclass(frozen=True)
class Window:
    """A stretch of an axis that is computed at once: pixels [start, stop), of which
    [keep_start, keep_stop) are kept.
    """

    start: int
    stop: int
    keep_start: int
    keep_stop: int


def windows(length: int, size: int, halo: int) -> list[Window]:
    """Cover an axis with windows of one size.

    Args:
        length: of the axis, at least 1.
        size: of a window; where the axis is shorter, it is the only window.
        halo: pixels beside an inner edge of a window that are not kept; 2 * halo < size.

    Returns:
        Windows whose kept stretches follow each other from 0 to `length`.
    """
    if length <= size:
        return [Window(0, length, 0, length)]
    found: list[Window] = []
    done = 0
    while done < length:
        start = min(max(done - halo, 0), length - size)
        stop = start + size
        keep_stop = length if stop == length else stop - halo
        found.append(Window(start, stop, done, keep_stop))
        done = keep_stop
    return found


def run_tiled(session: Session, image: np.ndarray, out: np.ndarray) -> None:
    """Run a network on windows of an image, each kept where no cut edge can reach.

    Args:
        session: the network.
        image: (H,W,C) of the dtype of its input; multiples of `shrink`.
        out: (scale*H/shrink,scale*W/shrink,C) of the dtype of its output; it is filled.
    """
    up, down = session.scale, session.shrink
    halo = -(-session.halo // down) * down
    side = TILE // up + 2 * halo
    columns = windows(image.shape[1], side, halo)
    for rows in windows(image.shape[0], side, halo):
        for cols in columns:
            tile = image[np.newaxis, rows.start : rows.stop, cols.start : cols.stop]
            made = session.run(np.ascontiguousarray(tile))[0]
            top, left = rows.start * up // down, cols.start * up // down
            kept = [_kept(window, up, down) for window in (rows, cols)]
            out[kept[0], kept[1]] = made[
                kept[0].start - top : kept[0].stop - top, kept[1].start - left : kept[1].stop - left
            ]


def _kept(window: Window, up: int, down: int) -> slice:
    """The kept stretch in pixels of the output; windows begin and end at multiples of `down`."""
    return slice(window.keep_start * up // down, window.keep_stop * up // down)
