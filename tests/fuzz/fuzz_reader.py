"""Atheris target: a hostile .tflite through the reader and the planner.

python tests/fuzz/fuzz_reader.py CORPUS -max_total_time=1800   (needs `pip install atheris`)

Whatever the file holds, the answer is a plan that the engine opens, or a UserError.
"""

import sys
from pathlib import Path

import atheris

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "engine"), str(TESTS.parent)]

with atheris.instrument_imports(include=["edge_sr", "ai_edge_litert.schema_py_generated"]):
    from edge_sr import graph
    from edge_sr.engine import binding, lower, lut, plan, schedule  # noqa: F401
    from edge_sr.errors import UserError

WIDTH = 8
LARGEST_ARENA = 4_000_000


def try_file(data: bytes) -> None:
    """Read, plan and open one file."""
    try:
        made = plan.make_plan(graph.read_graph(data))
        width = WIDTH * made.pixels_per_unit
        if made.arena_bytes(width) > LARGEST_ARENA:
            return
        engine = binding.Engine(made.blob, width)
    except UserError:
        return
    assert engine.arena_bytes == made.arena_bytes(width)


if __name__ == "__main__":
    atheris.Setup(sys.argv, try_file)
    atheris.Fuzz()
