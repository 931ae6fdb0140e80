"""The needs of shipped networks on a microcontroller, and how limits are parsed."""

import tomllib
from pathlib import Path

import pytest

from edge_sr import graph
from edge_sr.engine.plan import make_plan
from edge_sr.errors import UserError
from edge_sr.zoo import catalog, fitting

GATE = Path(__file__).parents[2] / "benchmarks" / "regression.toml"


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
