"""The gate: the costs of networks are those in the repository."""

import pytest
from board_tools import skip_without_tools
from regression_gate import BOARDS, emulated

from benchmarks import regression
from edge_sr.zoo import catalog
from firmware_harness import board_file

UPDATE = "run `python scripts/regression_gate.py --write` and explain the change in the commit"


def test_costs_of_networks_have_not_changed():
    due = {name: costs for name, costs in regression.expected().items() if "(emulated)" not in name}
    assert regression.differences(due, regression.static()) == [], UPDATE


def test_every_shipped_network_is_in_the_data():
    names = regression.static().keys()
    parts = 2 * sum(len(codec.card.quality) for codec in catalog.entries("codec"))
    assert len(names) == 2 * len(catalog.entries("super-resolution")) + parts
    assert regression.static()["tinypssr x2 int8"]["parameters"] == 1356  # the published count
    assert regression.static()["tinypssr x4 int8"]["parameters"] == 2716


@pytest.mark.cross
@pytest.mark.parametrize("board", BOARDS)
def test_costs_on_boards_have_not_changed(board):
    target = board_file.find(board)
    skip_without_tools(target)
    found = emulated(board)
    due = {name: costs for name, costs in regression.expected().items() if name in found}
    assert regression.differences(due, found) == [], UPDATE


def test_a_change_is_named():
    due = {"a": {"flash_bytes": 100, "compiler": "x 1"}, "b": {"parameters": 1}}
    assert regression.differences(due, due) == []
    worse = {"a": {"flash_bytes": 101, "compiler": "x 1"}, "c": {"parameters": 1}}
    assert regression.differences(due, worse) == [
        "a: flash_bytes is 101, not 100",
        "b is missing",
        "c is new",
    ]


@pytest.mark.parametrize(("found", "changed"), [(109, False), (91, False), (111, True)])
def test_another_compiler_may_differ_by_a_little(found, changed):
    due = {"a": {"frame_instructions": 100, "engine_ram_bytes": 5, "compiler": "x 1"}}
    other = {"a": {"frame_instructions": found, "engine_ram_bytes": 5, "compiler": "x 2"}}
    assert bool(regression.differences(due, other)) is changed
    other["a"]["engine_ram_bytes"] = 6
    assert regression.differences(due, other)
