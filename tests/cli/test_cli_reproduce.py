"""`edge-sr reproduce` on the command line; tests/benchmarks tests its runs."""

import dataclasses
import socket
from importlib.util import find_spec
from pathlib import Path

import pytest
from command_line import EdgeSr

from benchmarks.reproduce import results
from benchmarks.reproduce.results import Point, Result, Results, Score
from benchmarks.reproduce.study import names

needs_ray = pytest.mark.skipif(
    find_spec("ray") is None, reason="Ray is missing: `pip install 'edge-sr[ray]'`"
)


def test_without_a_name_it_lists_all_studies(edge_sr: EdgeSr) -> None:
    lines = edge_sr("reproduce").out.splitlines()
    assert [line.partition(":")[0] for line in lines] == names()


def test_tables_and_curves_need_only_the_results(edge_sr: EdgeSr, tmp_path: Path) -> None:
    curve = tuple(Point(epoch, 0.1, 30.0 + epoch, 0.9) for epoch in (1, 2, 3))
    score = Score("set5 x2", 5, "", 35.5, 0.95)
    result = Result("mae", 0, "", 1356, 100, "abc", "", curve, (score,))
    made = Results(1, "losses", True, "6 images, abc", {}, (result,))
    results.write(tmp_path / "results.json", made)
    shown = edge_sr("reproduce", "losses", "--table", "--out", tmp_path)
    assert shown.code == 0
    assert "35.50 (35.57)" in shown.out
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    options = ["--markdown", "--picture", tmp_path / "mine.svg"]
    shown = edge_sr("reproduce", "losses", "--table", "--out", tmp_path, *options)
    assert "| mae " in shown.out
    assert b"<svg" in (tmp_path / "mine.svg").read_bytes()
    results.write(tmp_path / "results.json", dataclasses.replace(made, study="colour"))
    text = edge_sr.refuses("reproduce", "losses", "--table", "--out", tmp_path)
    assert "holds the study colour, not losses" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["lost"], "unknown study 'lost'"),
        (["losses"], "name their folder with --data"),
        (["losses", "--table", "--out", "nowhere"], "cannot read nowhere"),
        (["losses", "--test-data", "nowhere"], "holds none of set5, set14, urban100, bsd100"),
        (["losses", "--test-data", "set6=."], "does not use 'set6'"),
        (["losses", "--test-data", "set5=nowhere"], "nowhere is not a folder"),
        (["losses", "--ray", "local", "--jobs", "2"], "leave it out with --ray"),
        (["losses", "--seeds", "0"], "seeds"),
        (["losses", "--reuse", "nowhere"], "nowhere holds no finished run"),
        (["losses", "--picture", "a.png"], "--picture needs --table"),
        (["losses", "--table", "--picture", "a.gif"], "name a .png, .pdf or .svg file"),
        (["losses", "--table", "--data", "."], "--table runs nothing; leave --data out"),
        (["--quick"], "name a study before its options"),
    ],
)
def test_wrong_options(
    edge_sr: EdgeSr, photographs: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    if options[1:] and "--table" not in options:
        options = [*options, "--data", str(photographs)]
    if "--out" not in options and options[1:]:
        options = [*options, "--out", str(tmp_path / "out")]
    assert message in edge_sr.refuses("reproduce", *options)
    assert not (tmp_path / "out").exists()


def test_a_study_with_an_unknown_network_is_refused(
    edge_sr: EdgeSr, photographs: Path, tmp_path: Path
) -> None:
    text = """
title = "T"
source = "a test"
about = "A"
recipe = "slides"
published = ""
figures = ["psnr"]
columns = ["set5 x2"]
quick = { about = "Q", changes = {} }
run = [{ name = "a", model = "resnet", scale = 2 }]
"""
    (tmp_path / "mine.toml").write_text(text)
    options = ["--data", photographs, "--out", tmp_path / "out"]
    said = edge_sr.refuses("reproduce", tmp_path / "mine.toml", *options)
    assert "needs the unknown network resnet" in said
    text = text.replace("resnet", "tinypssr").replace("scale = 2", "scale = 3")
    (tmp_path / "mine.toml").write_text(text)
    said = edge_sr.refuses("reproduce", tmp_path / "mine.toml", *options)
    assert "tinypssr has no scale 3" in said


@needs_ray
@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("nowhere", "is not an address of Ray"),
        ("ray://localhost:1", "is not an address of Ray"),
        ("127.0.0.1:{free}", "Ray does not answer at"),
    ],
)
def test_a_ray_address_that_does_not_answer(
    edge_sr: EdgeSr, photographs: Path, tmp_path: Path, address: str, message: str
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # but does not listen
        address = address.format(free=taken.getsockname()[1])
        options = ["--data", photographs, "--out", tmp_path / "out", "--ray", address]
        assert message in edge_sr.refuses("reproduce", "losses", *options)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_the_extra_is_named(edge_sr: EdgeSr, photographs: Path, tmp_path: Path) -> None:
    options = ["--data", photographs, "--out", tmp_path / "out", "--ray", "auto"]
    assert "pip install 'edge-sr[ray]'" in edge_sr.refuses("reproduce", "losses", *options)
