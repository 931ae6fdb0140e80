"""A network for edge-sr's streaming engine: the engine's C sources and the plan."""

from pathlib import Path

from edge_sr import engine
from edge_sr.engine.plan import Plan, c_header, c_source
from edge_sr.graph import Graph
from firmware_harness.targets.content import Content, identifier, network_fields

_SOURCES = Path(engine.__file__).parent / "c"


def streaming(network: Graph, plan: Plan, name: str, width: int) -> Content:
    """The engine and a network.

    Args:
        network: an int8 super-resolution network.
        plan: of it.
        name: of the network, for people.
        width: of the example's frame.

    Raises:
        UserError: the network cannot run at this width.
    """
    array = f"{identifier(name)}_plan"
    files = {path.name: path.read_text(encoding="utf-8") for path in _SOURCES.glob("*.[ch]")}
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
            "PARAGRAPH": "Rows go in and finished rows come out; no frame is held, and RAM grows "
            "with the width alone.",
        },
        ram=ram,
        facts=(
            (f"RAM of the engine at width {width}", f"{ram:,} bytes; stack comes on top"),
            ("flash of the model, bytes", plan.flash),
        ),
    )
