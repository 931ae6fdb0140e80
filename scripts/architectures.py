"""Print a Markdown table of the upscalers that can be trained: input, parameters and MACs.

python scripts/architectures.py
python scripts/architectures.py --ram

Parameters are those of the folded network, with biases and PReLU alphas; MACs are those of its
convolutions per low-resolution pixel, for all channels. --ram prints the flash and RAM that the
shipped int8 networks need in the streaming engine, by the width of the input frame.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import math
from collections.abc import Iterator
from typing import Any

from edge_sr import graph
from edge_sr.engine.plan import make_plan
from edge_sr.models import registry
from edge_sr.models.namespaces import import_keras
from edge_sr.zoo import catalog

OPTIONS: dict[str, tuple[dict[str, int], ...]] = {
    "wdsr-a": ({"blocks": 1}, {"blocks": 3}, {"blocks": 8}),
    "wdsr-b": ({"blocks": 1}, {"blocks": 3}, {"blocks": 8}),
    "edsr": ({"blocks": 1}, {"blocks": 3}, {"blocks": 8}),
    "espcn-tiny": ({"width": 9}, {"width": 21}, {"width": 27}),
    "espcn-tiny-anchor": ({"width": 9}, {"width": 21}, {"width": 27}),
    "esr": ({"width": 1}, {"width": 3}),
    "sesr": ({"blocks": 3}, {"blocks": 5}, {"blocks": 11}),
}
"""The sizes that are shown of networks that come in several."""

WIDTHS = (80, 160, 320, 640)


def macs_per_pixel(model: Any) -> int:
    """Multiply-accumulates per low-resolution pixel; layers are in the order of the data."""
    total, pixels = 0, 1
    for layer in model.layers:
        if type(layer).__name__ == "DepthToSpace":
            pixels *= layer.block**2
        if type(layer).__name__ == "Conv2D":
            total += pixels * math.prod(layer.kernel.shape)
    return total


def rows() -> Iterator[str]:
    """A line for each network, size and scale."""
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
    """A line for each shipped network."""
    for entry in catalog.entries("super-resolution"):
        if not entry.thermal:
            plan = make_plan(graph.read_graph(entry.file("int8", ".tflite")))
            rams = [f"{plan.arena_bytes(width):,}" for width in WIDTHS]
            cells = [f"`{entry.model}` x{entry.scale}", f"{plan.flash_bytes:,}", *rams]
            yield f"| {' | '.join(cells)} |"


def main() -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--ram", action="store_true", help="print RAM of the shipped networks by frame width"
    )
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
