"""Writes records as CSV: a line for each timing, without rounding."""

import csv
import io
import typing
from collections.abc import Iterable, Sequence

from benchmarks.reports.sources import Source
from edge_sr.records import MemoryKind, Output, Result, Timing

_KINDS: tuple[MemoryKind, ...] = typing.get_args(MemoryKind)
_FORMULAS = ("=", "+", "-", "@")


def write(sources: Sequence[Source]) -> str:
    """Return the CSV. A text that a spreadsheet would read as a formula gets an apostrophe."""
    lines = [
        {key: _cell(value) for key, value in line.items()}
        for source in sources
        for result in source.record.results
        for line in _lines(source, result)
    ]
    text = io.StringIO()
    if lines:
        writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    return text.getvalue()


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value


def _lines(source: Source, result: Result) -> Iterable[dict[str, object]]:
    for timing in result.timings or (None,):
        yield {
            **_origin(source),
            **_case(result),
            **_outcome(result),
            **_times(timing),
            **_more(result),
        }


def _origin(source: Source) -> dict[str, object]:
    record = source.record
    return {
        "record": source.file,
        "suite": record.suite,
        "complete": record.complete,
        "device": source.label,
        "cpu": record.device.cpu,
        "gpu": record.device.gpu,
        "device_emulated": record.device.emulated,
        "git_revision": record.software.git_revision,
    }


def _case(result: Result) -> dict[str, object]:
    case, network = result.case, result.case.network
    return {
        "network": network.name,
        "part": network.part,
        "precision": network.precision,
        "parameters": network.parameters,
        "macs": network.macs,
        "artifact_sha256": network.artifact.sha256 if network.artifact else None,
        "runtime": case.runtime_name,
        "threads": case.threads,
        "cores": " ".join(map(str, case.pinned)),
        "width": case.width,
        "height": case.height,
        "board": case.board,
        "inputs": case.inputs,
    }


def _outcome(result: Result) -> dict[str, object]:
    return {
        "status": result.status,
        "marks": " ".join(result.marks),
        "right": result.output.right if result.output else None,
        "reason": result.reason,
        "kernels": result.kernels,
        **_difference(result.output),
        "started": result.started,
        "other_load": result.other_load,
    }


def _difference(output: Output | None) -> dict[str, object]:
    return {
        "reference": output and output.reference,
        "max_difference": output and output.max_difference,
        "differing_share": output and output.differing_share,
        "top_agreement": output and output.top_agreement,
    }


def _times(timing: Timing | None) -> dict[str, object]:
    percents = (50, 90, 99)
    return {
        "scope": timing and timing.scope,
        "samples": timing and len(timing.samples_ns),
        **{f"p{percent}_ms": timing and timing.percentile(percent) for percent in percents},
        "min_ms": timing and timing.best,
        "spread": timing and timing.spread,
    }


def _more(result: Result) -> dict[str, object]:
    cold, counted = result.cold, result.instructions
    sizes = {item.kind: item.bytes for item in reversed(result.memory)}
    return {
        "import_ms": cold and cold.import_ns / 1e6,
        "load_ms": cold and cold.load_ns / 1e6,
        "first_ms": cold and cold.first_ns / 1e6,
        "instructions": counted and counted.frame,
        "instructions_to_open": counted and counted.open,
        **{f"{kind.replace(' ', '_')}_bytes": sizes.get(kind) for kind in _KINDS},
    }
