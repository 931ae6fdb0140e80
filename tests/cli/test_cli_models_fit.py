"""`edge-sr models --fit`: the networks within a microcontroller's limits."""

import itertools
import json
import tomllib
from pathlib import Path

import pytest
from command_line import EdgeSr

from edge_sr import graph
from edge_sr.engine.plan import make_plan
from edge_sr.errors import UserError
from edge_sr.zoo import catalog, fitting

GATE = Path(__file__).parents[2] / "benchmarks" / "regression.toml"
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


def test_the_engine_code_is_not_larger_than_assumed() -> None:
    """The firmware sizes of the regression gate, minus the weights, are the engine's code."""
    costs = tomllib.loads(GATE.read_text(encoding="utf-8"))
    boards = [
        cost for name, cost in costs.items() if name.startswith("tinypssr x2 upscaler int8 6")
    ]
    network = graph.read_graph(catalog.find("tinypssr-x2").file("int8", ".tflite"))
    least = min(map(len, make_plan(network).blobs.values()))
    assert boards
    largest = max(cost["flash_bytes"] for cost in boards)
    assert largest - make_plan(network).flash_bytes <= fitting.ENGINE_CODE_BYTES <= largest - least


@pytest.mark.parametrize(
    ("text", "size"), [("65536", 65536), ("64K", 65536), ("64KiB", 65536), ("0.5m", 524288)]
)
def test_sizes_are_parsed_with_k_of_1024(text: str, size: int) -> None:
    assert fitting.parse_bytes(text) == size


def test_counts_are_parsed_with_k_of_1000() -> None:
    assert fitting.parse_count("1.5K") == 1500
    with pytest.raises(UserError, match="write 1500"):
        fitting.parse_count("K")


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
