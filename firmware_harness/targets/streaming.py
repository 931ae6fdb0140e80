"""The content of a library for edge-sr's engine: its C sources, and a network as a plan."""

from pathlib import Path

from edge_sr import engine
from edge_sr.engine.c_source import CONFIG, c_header, c_source, small_config
from edge_sr.engine.frame_plan import FramePlan
from edge_sr.engine.plan import Plan
from edge_sr.graph import Graph
from firmware_harness.targets.content import (
    Content,
    frame_fields,
    identifier,
    is_classifier,
    network_fields,
)

_SOURCES = Path(engine.__file__).parent / "c"


def streaming(network: Graph, plan: Plan, name: str, width: int) -> Content:
    """Return the engine's sources with a network.

    Args:
        network: an int8 super-resolution network.
        plan: the network's plan.
        name: the network's name, for people.
        width: of the example's frame, in pixels.

    Raises:
        UserError: the engine does not run the network at this width.
    """
    ram = plan.arena_bytes(width)
    fields = network_fields(network, name)
    return Content(
        engine="streaming",
        form="streaming",
        files=_files(plan, name),
        fields=fields
        | {
            "ARENA_BYTES": f"{fields['UPPER']}_PLAN_ARENA_BYTES(TEST_FRAME_WIDTH)",
            "SENTENCE": f"Upscales {network.input.dtype} images x{fields['SCALE']} with the "
            f"network {fields['NAME']} in the streaming engine of edge-sr.",
            "PARAGRAPH": "Takes input rows and returns finished rows. It holds no frame; its RAM "
            "depends on the width only.",
        },
        ram=ram,
        facts=(
            (f"engine RAM at width {width}", f"{ram:,} bytes, without stack"),
            ("flash of the model, bytes", plan.flash),
        ),
    )


def one_size(network: Graph, plan: FramePlan, name: str) -> Content:
    """Return the engine's sources with a network of one size.

    Args:
        network: an int8 network.
        plan: the network's plan.
        name: the network's name, for people.
    """
    fields, ram = frame_fields(network, plan, name), plan.arena_bytes
    does = f"{'Classifies' if is_classifier(plan) else 'Runs'} {network.input.dtype} frames"
    height, width, _ = plan.in_shape
    return Content(
        engine="streaming",
        form="frames",
        files=_files(plan, name),
        fields=fields
        | {
            "ARENA_BYTES": f"{fields['UPPER']}_PLAN_ARENA_BYTES",
            "SENTENCE": f"{does} of {width}x{height} with the network {fields['NAME']} in the "
            "engine of edge-sr.",
            "PARAGRAPH": "Takes input rows one by one. Early layers hold a few rows; the layers "
            "after them run on whole tensors in the same memory.",
        },
        ram=ram,
        facts=(
            ("engine RAM", f"{ram:,} bytes, without stack"),
            ("output", fields["OUT_ROWS"]),
            ("flash of the model, bytes", plan.flash),
        ),
    )


def _files(plan: Plan | FramePlan, name: str) -> dict[str, str]:
    """The engine's sources, and the plan as C."""
    array = f"{identifier(name)}_plan"
    files = {path.name: path.read_text(encoding="utf-8") for path in _SOURCES.glob("*.[ch]")}
    files[CONFIG] = small_config(plan)
    return files | {f"{array}.h": c_header(plan, array), f"{array}.c": c_source(plan, array)}
