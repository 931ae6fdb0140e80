"""Plans any network that the engine runs: for frames of any size if possible, else of its own."""

from edge_sr.engine.frame_plan import FramePlan, make_frame_plan
from edge_sr.engine.plan import Plan, make_plan
from edge_sr.errors import UserError
from edge_sr.graph import Graph


def plan_network(graph: Graph) -> Plan | FramePlan:
    """Plan an int8 graph.

    Returns:
        A `Plan` for frames of any size; where an operator needs the size, a `FramePlan` for frames
        of the graph's own.

    Raises:
        UserError: the engine runs the graph in neither way; the text says why not at its own size.
    """
    try:
        return make_plan(graph)
    except UserError:
        return make_frame_plan(graph)
