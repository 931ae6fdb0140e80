"""Makes the table of a comparison."""

from benchmarks.reports.choice import p50_text
from benchmarks.reports.compare import LEVEL, Comparison
from benchmarks.reports.table import Row, Table
from edge_sr.records import Result, Scope


def comparison_table(comparison: Comparison) -> Table:
    """Return a table of two records' cases."""
    rows = []
    for pair in comparison.pairs:
        scope = f": {pair.scope}" if pair.scope not in (None, "run") else ""
        ratio = (
            ("", "") if pair.ratio is None else (f"{pair.ratio.value:.3f}x", pair.ratio.interval)
        )
        figures = (_figure(pair.a, pair.scope), _figure(pair.b, pair.scope))
        rows.append(Row((pair.key + scope, *figures, *ratio, pair.verdict)))
    headings = ("case", "A, p50 ms", "B, p50 ms", "speed-up of B", f"{LEVEL} % interval")
    return Table("", (*headings, "verdict"), tuple(rows))


def _figure(result: Result, scope: Scope | None) -> str:
    if scope is not None:
        return p50_text(result, scope)
    counted = result.instructions
    return f"{counted.frame:,} instructions" if counted else result.status
