"""The upscalers that can be trained, as a Markdown table: what they take, and what they cost.

python scripts/architectures.py
python scripts/architectures.py --ram

Parameters are those of the folded network, biases and slopes included; MACs are those of its
convolutions, for each low-resolution pixel, all of its channels together. --ram prints what the
shipped int8 networks take in the streaming engine, by the width of the frame that goes in.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import math
from collections.abc import Iterator
from typing import Any

from edge_sr import graph, zoo
from edge_sr.engine.plan import make_plan
from edge_sr.models import registry
from edge_sr.runtime.keras import import_keras

OPTIONS: dict[str, tuple[dict[str, int], ...]] = {
    "wdsr-a": ({"blocks": 1}, {"blocks": 3}, {"blocks": 8}),
    "wdsr-b": ({"blocks": 1}, {"blocks": 3}, {"blocks": 8}),
    "edsr": ({"blocks": 1}, {"blocks": 3}, {"blocks": 8}),
    "espcn-tiny": ({"width": 9}, {"width": 21}, {"width": 27}),
    "espcn-tiny-anchor": ({"width": 9}, {"width": 21}, {"width": 27}),
    "esr": ({"width": 1}, {"width": 3}),
    "sesr": ({"blocks": 3}, {"blocks": 5}, {"blocks": 11}),
}
"""What is shown of networks that come in several sizes."""

WIDTHS = (80, 160, 320, 640)


def macs_per_pixel(model: Any) -> int:
    """Multiply-accumulates per low-resolution pixel; layers stand in the order of the data."""
    total, pixels = 0, 1
    for layer in model.layers:
        if type(layer).__name__ == "DepthToSpace":
            pixels *= layer.block**2
        if type(layer).__name__ == "Conv2D":
            total += pixels * math.prod(layer.kernel.shape)
    return total


def rows() -> Iterator[str]:
    """One line for each network, size and scale."""
    keras = import_keras()
    for name in registry.names("super-resolution"):
        spec = registry.get(name)
        for options in OPTIONS.get(name, ({},)):
            size = " ".join(f"--{option} {value}" for option, value in options.items())
            for scale in spec.scales:
                model = spec.build(spec.config(scale, **options), keras)
                image = "RGB" if spec.channels == 3 else "luma"
                costs = f"{model.count_params():,} | {macs_per_pixel(model):,}"
                yield f"| `{name}` | {size} | x{scale} | {image} | {costs} |"


def ram_rows() -> Iterator[str]:
    """One line for each shipped network."""
    for entry in zoo.entries():
        if not entry.thermal:
            plan = make_plan(graph.read_graph(entry.artifact("int8", ".tflite")))
            rams = [f"{plan.arena_bytes(width):,}" for width in WIDTHS]
            cells = [f"`{entry.model}` x{entry.scale}", f"{plan.flash_bytes:,}", *rams]
            yield f"| {' | '.join(cells)} |"


def main() -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--ram", action="store_true", help="RAM of the shipped ones by width")
    if parser.parse_args().ram:
        widths = " | ".join(f"{width} wide" for width in WIDTHS)
        print(f"| network | flash, bytes | {widths} |\n|---|{'---:|' * (1 + len(WIDTHS))}")
        print("\n".join(ram_rows()))
        return
    print("| `--model` | size | scale | takes | parameters | MACs per LR pixel |")
    print("|---|---|---|---|---:|---:|")
    print("\n".join(rows()))


if __name__ == "__main__":
    main()
