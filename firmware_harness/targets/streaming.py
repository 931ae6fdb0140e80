"""The content of a library for the streaming engine: its C sources, and a network as a plan."""

from pathlib import Path

from edge_sr import engine
from edge_sr.engine.c_source import CONFIG, c_header, c_source, small_config
from edge_sr.engine.plan import Plan
from edge_sr.graph import Graph
from firmware_harness.targets.content import Content, identifier, network_fields

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
    array = f"{identifier(name)}_plan"
    files = {path.name: path.read_text(encoding="utf-8") for path in _SOURCES.glob("*.[ch]")}
    files[CONFIG] = small_config(plan)
    files |= {f"{array}.h": c_header(plan, array), f"{array}.c": c_source(plan, array)}
    ram = plan.arena_bytes(width)
    fields = network_fields(network, name)
    return Content(
        engine="streaming",
        files=files,
        fields=fields
        | {
            "SENTENCE": f"Upscales int8 images x{fields['SCALE']} with the network "
            f"{fields['NAME']} in the streaming engine of edge-sr.",
            "PARAGRAPH": "Takes input rows and returns finished rows. It holds no frame; its RAM "
            "depends on the width only.",
        },
        ram=ram,
        facts=(
            (f"engine RAM at width {width}", f"{ram:,} bytes, without stack"),
            ("flash of the model, bytes", plan.flash),
        ),
    )
