"""Write plans of shipped and random networks as seeds for `fuzz_plan.c`.

python tests/fuzz/seed_plans.py FOLDER [LAYOUT]   (of weights: 0, 1 or 2 as in esr_layout.h)
"""

import sys
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "engine"), str(TESTS.parent)]

from random_frames import RandomFrame, frames  # noqa: E402
from random_models import RandomNetwork, networks  # noqa: E402

from edge_sr.engine.frame_lower import as_images, lower_frame  # noqa: E402
from edge_sr.engine.frame_memory import plan_with  # noqa: E402
from edge_sr.engine.frame_plan import frame_plan_of, make_frame_plan  # noqa: E402
from edge_sr.engine.frame_sums import splittable  # noqa: E402
from edge_sr.engine.packing import Layout  # noqa: E402
from edge_sr.engine.plan import make_plan  # noqa: E402
from edge_sr.engine.weights import Weights, choose_weights  # noqa: E402
from edge_sr.graph import read_graph  # noqa: E402
from edge_sr.zoo import catalog  # noqa: E402

MAX_BYTES = 4000


def main() -> None:
    """Write the seeds."""
    folder = Path(sys.argv[1])
    layout = Layout(int(sys.argv[2])) if len(sys.argv) > 2 else Layout.SIMD
    folder.mkdir(parents=True, exist_ok=True)
    plans = [
        make_plan(read_graph(catalog.find(f"{name}-x{scale}").file("int8", ".tflite"))).blobs[
            layout
        ]
        for name in ("tinypssr", "tinypssr-anchor")
        for scale in (2, 4)
    ]

    choices = list(Weights)
    sizes: dict[bytes, int] = {}  # widths of frame plans, which run at one width only
    examples = settings(
        max_examples=200,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )

    @examples
    @given(network=networks)
    def collect(network: RandomNetwork) -> None:
        plans.append(make_plan(read_graph(network.write())).blobs[layout])

    @examples
    @given(network=frames)
    def collect_frames(network: RandomFrame) -> None:
        model = network.write()
        graph = as_images(read_graph(model))
        nodes = choose_weights(graph, lower_frame(graph), choices[network.seed % len(choices)])
        whole = [node.output for node in nodes if network.seed // 8 % 4 == node.output % 4]
        memory = plan_with(graph, nodes, whole, splittable(graph, nodes))
        for plan in (make_frame_plan(read_graph(model)), frame_plan_of(memory)):
            plans.append(plan.blobs[layout])
            sizes[plans[-1]] = network.width

    collect()
    collect_frames()
    for number, plan in enumerate(plan for plan in plans if len(plan) <= MAX_BYTES):
        width = sizes.get(plan, number % 256 + 1) - 1
        (folder / f"{number:04d}").write_bytes(bytes([width, number * 7 % 256]) + plan)


if __name__ == "__main__":
    main()
