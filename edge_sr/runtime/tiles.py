"""Runs a network on windows that cover an image, so that memory does not grow with it."""

from dataclasses import dataclass

import numpy as np

from edge_sr.runtime.session import Session

TILE = 512
"""Side of the kept part of a codec's window, in pixels of the larger of input and output."""


@dataclass(frozen=True)
class Window:
    """A range of an axis that is computed at once.

    Attributes:
        start: first pixel.
        stop: one after the last pixel.
        keep_start: first pixel that is kept.
        keep_stop: one after the last pixel that is kept.
    """

    start: int
    stop: int
    keep_start: int
    keep_stop: int


def windows(length: int, size: int, halo: int) -> list[Window]:
    """Cover an axis with windows of one size.

    Args:
        length: of the axis, at least 1.
        size: of a window; a shorter axis gets a single window of its length.
        halo: pixels at each inner edge of a window that are not kept; 2 * halo < size.

    Returns:
        Windows whose kept ranges follow each other from 0 to `length`.
    """
    if length <= size:
        return [Window(0, length, 0, length)]
    result: list[Window] = []
    done = 0
    while done < length:
        start = min(max(done - halo, 0), length - size)
        stop = start + size
        keep_stop = length if stop == length else stop - halo
        result.append(Window(start, stop, done, keep_stop))
        done = keep_stop
    return result


def run_tiled(session: Session, image: np.ndarray, out: np.ndarray) -> None:
    """Run a network on windows of an image; pixels that a cut edge can influence are dropped.

    Args:
        session: the network.
        image: (H,W,C) of the input's dtype; H and W are multiples of `shrink`.
        out: (scale*H/shrink,scale*W/shrink,C) of the output's dtype; it is filled.
    """
    up, down = session.scale, session.shrink
    assert session.halo is not None  # the parts of a codec can be tiled
    halo = -(-session.halo // down) * down
    side = TILE // up + 2 * halo
    columns = windows(image.shape[1], side, halo)
    for rows in windows(image.shape[0], side, halo):
        for cols in columns:
            tile = image[np.newaxis, rows.start : rows.stop, cols.start : cols.stop]
            large = session.run(np.ascontiguousarray(tile))[0]
            top, left = rows.start * up // down, cols.start * up // down
            kept = [_kept(window, up, down) for window in (rows, cols)]
            out[kept[0], kept[1]] = large[
                kept[0].start - top : kept[0].stop - top, kept[1].start - left : kept[1].stop - left
            ]


def _kept(window: Window, up: int, down: int) -> slice:
    """The kept range in output pixels; windows start and stop at multiples of `down`."""
    return slice(window.keep_start * up // down, window.keep_stop * up // down)
