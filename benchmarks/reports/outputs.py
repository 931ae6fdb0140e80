"""Makes the tables of outputs: how far runtimes differ on networks that are run on noise."""

from collections.abc import Iterable, Sequence

from benchmarks.reports.sources import input_text, network_name, where
from benchmarks.reports.table import Row, Table
from edge_sr.records import Output, Result

_HEADINGS = ("runtime", "reference", "largest", "differing", "same maximum")
_NOTE = (
    "Differences from the reference's output, in LSB of integers and in 1/255 of the range of "
    "floats. Same maximum: the share of inputs on which the largest value of the output vector is "
    "at the same place."
)


def outputs_tables(results: Sequence[Result]) -> Iterable[Table]:
    """Yield how the outputs of a network on noise differ from their reference's.

    Args:
        results: of one network and size; of other networks there is no table.
    """
    rows = [
        Row((_runtime(result), *_cells(result.output)), _marks(result))
        for result in results
        if result.case.network.part == "network" and result.output is not None
    ]
    if rows:
        case = results[0].case
        yield Table(
            f"{network_name(case)}, {input_text(case)}, output", _HEADINGS, tuple(rows), _NOTE
        )


def _runtime(result: Result) -> str:
    case = result.case
    return case.runtime_name if case.board is None else where(case)


def _marks(result: Result) -> tuple[str, ...]:
    return tuple(mark for mark in result.marks if mark == "wrong")


def _cells(output: Output) -> tuple[str, ...]:
    if output.max_difference is None or output.differing_share is None:
        return ("none", "", "", "")
    top = "" if output.top_agreement is None else f"{output.top_agreement:.1%}"
    difference, share = f"{output.max_difference:.3g}", f"{output.differing_share:.2%}"
    return (output.reference or "none", difference, share, top)
