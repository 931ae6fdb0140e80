"""`edge-sr models --fit`: the networks within a microcontroller's limits."""

import itertools
import json
from pathlib import Path

import pytest
from command_line import EdgeSr

from edge_sr import graph
from edge_sr.engine.plan import make_plan
from edge_sr.zoo import catalog

LIMITS = ("--ram", "16K", "--flash", "128K", "--width", "320", "--max-macs", "2K")


def test_the_list_keeps_the_limits_and_is_sorted_best_first(
    edge_sr: EdgeSr, tmp_path: Path
) -> None:
    result = edge_sr("models", "--fit", *LIMITS, "--json", tmp_path / "fit.json")
    assert result.code == 0, result.err
    needs = json.loads((tmp_path / "fit.json").read_text())
    assert needs
    assert all(need["ram"] <= 16 * 1024 and need["macs"] <= 2000 for need in needs)
    groups = [(need["scale"], *need["psnr"]) for need in needs]
    for group, members in itertools.groupby(zip(groups, needs, strict=True), lambda pair: pair[0]):
        means = [sum(need["psnr"].values()) for _, need in members]
        assert groups.count(group) == len(means)
        assert means == sorted(means, reverse=True)
    listed = {need["id"] for need in needs}
    for entry in catalog.entries("super-resolution"):
        plan = make_plan(graph.read_graph(entry.file("int8")))
        fits = plan.arena_bytes(320) <= 16 * 1024 and plan.macs <= 2000
        assert (entry.id in listed) == fits
    for need in needs:
        assert need["id"] in result.out
        assert f"{need['ram']:,} bytes" in result.out


@pytest.mark.usefixtures("small_zoo")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--fit", "--ram", "1K"), "the nearest, tinypssr"),
        (("--fit", "--ram", "1K", "--flash", "1K"), "bytes of flash (the limit is 1,024)"),
        (("--ram", "1K"), "--ram works with --fit only"),
        (("--fit", "--ram", "0"), "is not a size in bytes"),
        (("--fit", "--scale", "3"), "no network of x3 is shipped"),
        (("--fit", "--width", "0"), "at least 1 pixel wide"),
        (("--fit", "--width", "99999999"), "cannot run at width"),
    ],
)
def test_invalid_limits_are_refused(edge_sr: EdgeSr, options: tuple[str, ...], words: str) -> None:
    assert words in edge_sr.refuses("models", *options)
