"""Turns a record into errors: where nothing was measured, and where an output is wrong."""

from benchmarks.reports.sources import plain
from edge_sr.errors import UserError, VerificationError
from edge_sr.records import Record


def require_measured(record: Record) -> None:
    """Check that at least one case was measured.

    Raises:
        UserError: none was; the sentence gives the first case's reason.
    """
    if not any(result.status == "measured" for result in record.results):
        first = record.results[0]
        raise UserError(f"no case was measured; {plain(first.case.key)}: {first.reason}")


def require_right(record: Record) -> None:
    """Check that no measured output is wrong.

    Raises:
        VerificationError: some outputs are wrong; the sentence lists their cases.
    """
    wrong = [
        f"{plain(result.case.key)} ({result.output.problem})"
        for result in record.results
        if "wrong" in result.marks and result.output is not None
    ]
    if wrong:
        raise VerificationError(f"wrong output: {'; '.join(wrong)}")
