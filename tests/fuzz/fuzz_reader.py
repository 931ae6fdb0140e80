"""Atheris target: reads, plans and runs a hostile .tflite file.

python tests/fuzz/seed_models.py CORPUS
python tests/fuzz/fuzz_reader.py CORPUS -max_total_time=1800   (needs `pip install atheris`)

Every file must give a plan that the engine opens and whose memory holds every row until it is read,
or a UserError.
"""

import sys
from pathlib import Path

import atheris
import numpy as np

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "engine"), str(TESTS.parent)]

with atheris.instrument_imports(include=["edge_sr", "ai_edge_litert.schema_py_generated"]):
    from edge_sr import graph
    from edge_sr.engine import binding, lower, lut, plan, schedule  # noqa: F401
    from edge_sr.engine.frame_overlap import check_frame_overlap
    from edge_sr.engine.frame_plan import make_frame_plan
    from edge_sr.errors import UserError

WIDTH = 8
MAX_ARENA_BYTES = 4_000_000
MAX_REPLAYED = 20_000_000  # events times bytes of the arena


def try_file(data: bytes) -> None:
    """Read and plan one file in both ways."""
    for attempt in (try_stream, try_frame):
        try:
            attempt(graph.read_graph(data))
        except UserError:
            continue


def try_stream(network: graph.Graph) -> None:
    """Plan for frames of any size, and open the plan."""
    planned = plan.make_plan(network)
    width = WIDTH * planned.pixels_per_unit
    if planned.arena_bytes(width) <= MAX_ARENA_BYTES:
        engine = binding.Engine(planned.blob, width)
        assert engine.arena_bytes == planned.arena_bytes(width)


def try_frame(network: graph.Graph) -> None:
    """Plan for frames of one size, replay the plan, and run it on zeros."""
    planned = make_frame_plan(network)
    if planned.arena_bytes > MAX_ARENA_BYTES:
        return
    engine = binding.Engine(planned.blob, planned.in_shape[1])
    assert engine.arena_bytes == planned.arena_bytes
    if planned.macs + planned.arena * len(planned.program) <= MAX_REPLAYED:
        check_frame_overlap(planned)
        out = np.empty(planned.out_shape, np.int8)
        engine.run_strip(np.zeros(planned.in_shape, np.int8), out, 0)


if __name__ == "__main__":
    atheris.Setup(sys.argv, try_file)
    atheris.Fuzz()
