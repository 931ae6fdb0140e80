"""Reuses runs of other studies: network, recipe, images and seed determine all bits."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks.reproduce import results
from benchmarks.reproduce.work import RESULT, Job
from edge_sr.errors import UserError
from edge_sr.files import make_folder
from edge_sr.models import checkpoint
from edge_sr.training.start import BEST


def find_runs(folders: Iterable[Path]) -> dict[str, Path]:
    """Return the folders of finished runs by their plans.

    Args:
        folders: of studies.

    Raises:
        UserError: a folder holds no finished run, or an unreadable result.
    """
    return {plan: run for folder in folders for plan, run in _runs(folder)}


def reuse_runs(jobs: Iterable[Job], known: Mapping[str, Path]) -> None:
    """Copy weights and results of identical runs into the folders of the jobs, without scores.

    Args:
        jobs: of this study; existing results are kept.
        known: from `find_runs`.

    Raises:
        UserError: a run to reuse is damaged.
    """
    for job in jobs:
        if job.plan in known and not (Path(job.folder) / RESULT).exists():
            _copy(job, known[job.plan])


def _runs(folder: Path) -> list[tuple[str, Path]]:
    paths = sorted(folder.glob(f"runs/*/{RESULT}"))
    if not paths:
        raise UserError(f"{folder} holds no finished run; name the --out of another study")
    runs = [(results.read_result(path), path.parent) for path in paths]
    return [(result.plan, run) for result, run in runs if result.weights]


def _copy(job: Job, run: Path) -> None:
    result = results.read_result(run / RESULT)
    kept = checkpoint.read(run / BEST)
    if checkpoint.digest(kept.weights) != result.weights:
        raise UserError(f"{run / BEST} does not match {run / RESULT}; remove {run}")
    folder = Path(job.folder)
    make_folder(folder)
    checkpoint.write(folder / BEST, kept)
    results.write(folder / RESULT, replace(result, run=job.run.name, scores=()))
