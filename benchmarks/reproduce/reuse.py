"""Runs that another study has done: a network, recipe, images and seed give the same bits."""

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
    """The folders of finished runs by their plans.

    Args:
        folders: of studies.

    Raises:
        UserError: a folder holds none, or a result that cannot be read.
    """
    return {plan: run for folder in folders for plan, run in _runs(folder)}


def take_over(jobs: Iterable[Job], known: Mapping[str, Path]) -> None:
    """Put what other studies' runs came to where the jobs find it; they are judged anew.

    Args:
        jobs: of this study; those that have a result keep it.
        known: from `find_runs`.

    Raises:
        UserError: a run that is wanted is damaged.
    """
    for job in jobs:
        if job.plan in known and not (Path(job.folder) / RESULT).exists():
            _take_over(job, known[job.plan])


def _runs(folder: Path) -> list[tuple[str, Path]]:
    paths = sorted(folder.glob(f"runs/*/{RESULT}"))
    if not paths:
        raise UserError(f"{folder} holds no finished run; name the --out of another study")
    found = [(results.read_result(path), path.parent) for path in paths]
    return [(result.plan, run) for result, run in found if result.weights]


def _take_over(job: Job, run: Path) -> None:
    found = results.read_result(run / RESULT)
    kept = checkpoint.read(run / BEST)
    if checkpoint.digest(kept.weights) != found.weights:
        raise UserError(f"{run / BEST} is not what {run / RESULT} tells of; remove {run}")
    folder = Path(job.folder)
    make_folder(folder)
    checkpoint.write(folder / BEST, kept)
    results.write(folder / RESULT, replace(found, run=job.run.name, scores=()))
