"""Plans any network that the engine runs: for frames of any size if possible, else of its own."""

from edge_sr.engine.frame_plan import FramePlan, make_frame_plan
from edge_sr.engine.plan import Plan, make_plan
from edge_sr.engine.weights import Weights
from edge_sr.errors import UserError
from edge_sr.graph import Graph


def plan_network(graph: Graph, weights: Weights = Weights.AUTO) -> Plan | FramePlan:
    """Plan an int8 graph.

    Args:
        graph: the network.
        weights: which weights take more than one byte each; those of a `Plan` always may.

    Returns:
        A `Plan` for frames of any size; where an operator needs the size, a `FramePlan` for frames
        of the graph's own.

    Raises:
        UserError: the engine runs the graph in neither way; the text says why not at its own size.
            Or a network for frames of any size should have compact weights.
    """
    try:
        plan = make_plan(graph)
    except UserError:
        return make_frame_plan(graph, weights)
    if weights == Weights.COMPACT:
        raise UserError(
            "compact weights are for networks of one size, such as classifiers; the kernels for "
            "frames of any size read expanded ones"
        )
    return plan
