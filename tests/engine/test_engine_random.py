"""Random networks: each set of kernels has the bits of TFLM, and C and Python agree on the memory.

`EDGE_SR_MODELS=1500 pytest tests/engine/test_engine_random.py` runs that many random networks, with
each set of kernels that this machine can run.
"""

import os

import numpy as np
from engine_runner import arena_bytes, kernel_sets, run_plan
from hypothesis import HealthCheck, given, settings
from random_models import RandomNetwork, networks
from tflm_oracle import run_tflm

from edge_sr.engine.plan import make_plan
from edge_sr.graph import read_graph

MODELS = int(os.environ.get("EDGE_SR_MODELS", "40"))


@settings(max_examples=MODELS, deadline=None, suppress_health_check=list(HealthCheck))
@given(network=networks)
def test_random_networks_have_the_bits_of_tflm(network: RandomNetwork) -> None:
    model = network.write()
    plan = make_plan(read_graph(model))
    image = network.image()
    expected = run_tflm(model, image).view(np.int8)
    for kernels in kernel_sets():
        assert np.array_equal(run_plan(plan, image, kernels), expected), kernels
    for width in (
        network.width,
        64 * plan.pixels_per_unit,
        320 * plan.pixels_per_unit,
        641 * plan.pixels_per_unit,
    ):
        assert arena_bytes(plan, width) == plan.arena_bytes(width)
