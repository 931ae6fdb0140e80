"""Comparing networks on one image: the panels, their scores and the crop."""

from pathlib import Path

import numpy as np
import pytest

from edge_sr.comparison import Crop, most_detailed, panels, parse_crop
from edge_sr.data.datasets import find_pairs, load_pair
from edge_sr.errors import UserError
from edge_sr.evaluate import score
from edge_sr.runtime.opening import open_session
from edge_sr.zoo import catalog


def test_panels_hold_the_scores_that_eval_computes(photographs: Path) -> None:
    pair = find_pairs(photographs, 2)[0]
    low, original = load_pair(pair, 2)
    path = catalog.find("tinypssr-anchor-x2").file("int8", ".tflite")
    session = open_session(path, "litert")
    drawn = panels(original, low, {"int8": session}, per_channel=False)
    assert [panel.title for panel in drawn] == ["original", "bicubic", "int8"]
    assert {panel.pixels.shape for panel in drawn} == {original.shape}
    assert drawn[0].score is None
    assert drawn[2].score == score(session, low, original, 2)


def test_the_automatic_crop_covers_the_edges() -> None:
    pixels = np.full((200, 300), 90, np.uint8)
    pixels[120:150, 210:250:2] = 255
    crop = most_detailed(pixels, 50)
    assert crop.left <= 210
    assert crop.left + crop.width >= 250
    assert crop.top <= 120
    assert crop.top + crop.height >= 150
    assert most_detailed(pixels[:20, :30], 50) == Crop(0, 0, 30, 20)


def test_a_crop_is_parsed_or_refused() -> None:
    crop = parse_crop("1, 2,30,40")
    crop.check_inside((50, 60, 3))
    assert crop == Crop(1, 2, 30, 40)
    assert crop.of(np.zeros((50, 60, 3))).shape == (40, 30, 3)
    for text in ("1,2,3", "a,b,c,d", "", "1,2,3,4,5", "1.5,2,3,4"):
        with pytest.raises(UserError, match="is not X,Y,W,H"):
            parse_crop(text)
    for text in ("0,0,0,5", "3,3,5,-1"):
        with pytest.raises(UserError, match="is empty; W and H must be at least 1"):
            parse_crop(text)
    for text in ("-1,0,5,5", "0,0,61,5", "0,46,5,5"):
        with pytest.raises(UserError, match="outside the image of 60x50"):
            parse_crop(text).check_inside((50, 60))
