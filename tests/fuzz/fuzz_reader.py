"""Atheris target: reads and plans a hostile .tflite file.

python tests/fuzz/fuzz_reader.py CORPUS -max_total_time=1800   (needs `pip install atheris`)

Every file must give a plan that the engine opens, or a UserError.
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
MAX_ARENA_BYTES = 4_000_000


def try_file(data: bytes) -> None:
    """Read, plan and open one file."""
    try:
        planned = plan.make_plan(graph.read_graph(data))
        width = WIDTH * planned.pixels_per_unit
        if planned.arena_bytes(width) > MAX_ARENA_BYTES:
            return
        engine = binding.Engine(planned.blob, width)
    except UserError:
        return
    assert engine.arena_bytes == planned.arena_bytes(width)


if __name__ == "__main__":
    atheris.Setup(sys.argv, try_file)
    atheris.Fuzz()
