"""Compares deterministic costs with `regression.toml`, so that a review sees every change.

`python scripts/regression_gate.py --write` writes the file.
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path

from edge_sr import graph
from edge_sr.engine.plan import make_plan
from edge_sr.graph import read_graph
from edge_sr.zoo import catalog

FILE = Path(__file__).parent / "regression.toml"
WIDTHS = (160, 320, 640)
OTHER_COMPILER = 0.1
"""Largest difference of code from another compiler version, as a share."""

_COMPILED = ("flash_bytes", "stack_bytes", "open_instructions", "frame_instructions")

Costs = dict[str, int | float | str]


def expected() -> dict[str, Costs]:
    """Return the stored costs by the name of a network or case."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def static() -> dict[str, Costs]:
    """Return the costs of every shipped network, computed from its files."""
    return {name: _costs(path) for name, path in _artifacts()}


def _artifacts() -> Iterator[tuple[str, Path]]:
    kinds = ("int8", "float32")
    for entry in catalog.entries("super-resolution"):
        for kind in kinds:
            yield f"{entry.model} x{entry.scale} {kind}", entry.file(kind, ".tflite")
    for codec in catalog.entries("codec"):
        for part in ("encoder", "decoder"):
            for kind in codec.card.quality:
                yield f"{codec.id} {part} {kind}", codec.file(kind, part=part)


def _costs(path: Path) -> Costs:
    network = read_graph(path)
    costs: Costs = {
        "parameters": graph.parameters(network),
        "macs_per_input_pixel": graph.macs_per_pixel(network),
        "tflite_bytes": path.stat().st_size,
    }
    onnx = path.with_suffix(".onnx")
    if onnx.exists():
        costs["onnx_bytes"] = onnx.stat().st_size
    if network.input.dtype == "int8":
        plan = make_plan(network)
        costs["plan_bytes"] = plan.flash_bytes
        for width in WIDTHS:
            costs[f"engine_ram_bytes_{width}"] = plan.arena_bytes(width)
    return costs


def differences(expected: dict[str, Costs], actual: dict[str, Costs]) -> list[str]:
    """Return a text for each difference; tolerates small ones of another compiler version."""
    texts = [f"{name} is new" for name in actual.keys() - expected.keys()]
    texts += [f"{name} is missing" for name in expected.keys() - actual.keys()]
    for name in expected.keys() & actual.keys():
        new, old = actual[name], expected[name]
        for key in new.keys() | old.keys():
            if not _alike(key, old, new):
                texts.append(f"{name}: {key} is {new.get(key)}, not {old.get(key)}")
    return sorted(texts)


def _alike(key: str, expected: Costs, actual: Costs) -> bool:
    if key == "compiler":
        return True
    a, b = expected.get(key), actual.get(key)
    if expected.get("compiler") == actual.get("compiler") or key not in _COMPILED:
        return a == b
    if isinstance(a, str) or isinstance(b, str) or a is None or b is None:
        return False
    return abs(a - b) <= OTHER_COMPILER * a
