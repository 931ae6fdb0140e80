"""Runs a study: plans its jobs, gives them to processes, and keeps what they find."""

import importlib.metadata
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.reproduce import results, work
from benchmarks.reproduce.pool import Outcome
from benchmarks.reproduce.results import Result, Results
from benchmarks.reproduce.reuse import find_runs, take_over
from benchmarks.reproduce.study import BICUBIC, Study, require_networks
from benchmarks.reproduce.work import Job
from edge_sr.data import thermal
from edge_sr.data.datasets import Pair, find_pairs, split_validation
from edge_sr.data.images import read_image
from edge_sr.errors import UserError
from edge_sr.files import locked
from edge_sr.training import recipe as recipes

RESULTS = "results.json"
_SOFTWARE = ("edge-sr", "keras", "tensorflow", "numpy")


class Executor(Protocol):
    """What runs jobs."""

    def run(self, jobs: Sequence[Job]) -> Generator[Outcome]:
        """The outcomes, as they come."""


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        study: to be run.
        quick: whether as shortened.
        seeds: of every run: 0, 1...
        folder: that takes it all.
        data: folder of training images.
        sets: folders by the names of image sets.
        reuse: folders of other studies, whose runs serve where they are the same.
    """

    study: Study
    quick: bool
    seeds: int
    folder: Path
    data: Path
    sets: Mapping[str, Path]
    reuse: Sequence[Path] = ()


def reproduce(
    request: Request, executor: Executor, told: Callable[[Outcome, int, int], None]
) -> Results:
    """Run what has no result yet.

    Args:
        request: what.
        executor: runs the jobs.
        told: is told what became of a job, how many have ended, and of how many.

    Returns:
        All there is; it stands in `results.json` as well, which grows with every run.

    Raises:
        UserError: a network or an image is missing, the folder is another study's or in use, the
            training images have changed, or a run failed; results that there are stay.
    """
    require_networks(request.study)
    _require_sets(request)
    known = find_runs(request.reuse)
    pairs = _require_images(request)
    with locked(request.folder):
        found = _begin(request, pairs)
        jobs = _plan(request, found.data)
        for job in jobs:
            work.former(job)
        take_over(jobs, known)
        failed: list[Outcome] = []
        with closing(executor.run(jobs)) as outcomes:
            for count, outcome in enumerate(outcomes, start=1):
                if outcome.error:
                    failed.append(outcome)
                else:
                    found = _collect(request, found, jobs)
                told(outcome, count, len(jobs))
    if failed:
        last = failed[-1]
        raise UserError(
            f"{len(failed)} of {len(jobs)} runs failed; once that is put right the same command "
            f"goes on: {last.job.run.name} with seed {last.job.seed}: {last.error}"
        )
    return found


def _require_sets(request: Request) -> None:
    for name in request.sets:
        if name not in request.study.sets:
            raise UserError(
                f"the study {request.study.name} is not judged on {name!r}; it is on "
                f"{', '.join(request.study.sets)}"
            )
        folder = request.sets[name]
        find_pairs(folder, 1, for_test=True)
        layout = thermal.find(folder)
        if name in thermal.UNPACKED and (layout is None or layout.name != name):
            raise UserError(
                f"{folder} is not {name} as it is unpacked; that has {thermal.UNPACKED[name]}"
            )


def _require_images(request: Request) -> list[Pair]:
    """The images to train on; before a study begins, they must do for all of its runs."""
    pairs = find_pairs(request.data, 1)
    if (request.folder / RESULTS).exists():
        return pairs
    for run in request.study.run:
        held_out = request.study.recipe_of(run, request.quick).data.validation_images
        split_validation(pairs, held_out, 0)
    for pair in pairs:
        read_image(pair.hr)
    return pairs


def _begin(request: Request, pairs: list[Pair]) -> Results:
    """The results in the folder, or none as yet; refuses those of something else."""
    data = f"{len(pairs)} images, {work.digest_of(pairs)}"
    blank = Results(results.VERSION, request.study.name, request.quick, data, _software(), ())
    path = request.folder / RESULTS
    if not path.exists():
        results.write(path, blank)
        return blank
    found = results.read(path)
    if (found.study, found.quick) != (blank.study, blank.quick):
        kind = "--quick" if found.quick else "full"
        raise UserError(
            f"{request.folder} holds the {kind} study {found.study}; name another --out"
        )
    if found.data != data:
        raise UserError(
            f"{request.data} has changed since the study in {request.folder} began, from "
            f"{found.data} to {data}; name the same images, or another --out"
        )
    return found


def _software() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in _SOFTWARE}


def _plan(request: Request, data: str) -> list[Job]:
    """Every run with every seed; all runs with one seed before the next."""
    sets = {name: str(path.resolve()) for name, path in request.sets.items()}
    jobs = []
    for seed in range(request.seeds):
        for run in request.study.run:
            if run.model == BICUBIC and seed:
                continue
            folder = request.folder.resolve() / "runs" / f"{run.name} {seed}"
            recipe = recipes.to_dict(request.study.recipe_of(run, request.quick))
            place = (str(folder), str(request.data.resolve()))
            columns, border = request.study.columns, request.study.border
            jobs.append(Job(run, recipe, seed, *place, data, columns, border, sets))
    return jobs


def _collect(request: Request, found: Results, jobs: Iterable[Job]) -> Results:
    """Put the results of all runs that have one into the study's file."""
    merged = {(result.run, result.seed): result for result in found.results}
    for job in jobs:
        path = Path(job.folder) / work.RESULT
        if path.exists():
            merged[job.run.name, job.seed] = results.read_result(path)
    ordered = _ordered(request.study, merged.values())
    made = Results(**{**vars(found), "results": ordered})
    results.write(request.folder / RESULTS, made)
    return made


def _ordered(study: Study, found: Iterable[Result]) -> tuple[Result, ...]:
    places = {run.name: place for place, run in enumerate(study.run)}
    return tuple(sorted(found, key=lambda r: (places.get(r.run, len(places)), r.seed)))
