"""Runs a study: plans its jobs, runs them in processes, and collects their results."""

import importlib.metadata
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.reproduce import results, work
from benchmarks.reproduce.pool import Outcome
from benchmarks.reproduce.results import Result, Results
from benchmarks.reproduce.reuse import find_runs, reuse_runs
from benchmarks.reproduce.study import BICUBIC, Study, require_networks, results_file
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
    """Runs jobs."""

    def run(self, jobs: Sequence[Job]) -> Generator[Outcome]:
        """Yield the outcome of each job when it ends."""


@dataclass(frozen=True)
class Request:
    """A study to run, with its options.

    Attributes:
        study: to run.
        quick: whether to run the shortened study.
        seeds: number of seeds of every run: 0, 1...
        folder: for all files of the study.
        data: folder of training images.
        sets: folders by the names of image sets.
        reuse: folders of other studies, whose identical runs are reused.
    """

    study: Study
    quick: bool
    seeds: int
    folder: Path
    data: Path
    sets: Mapping[str, Path]
    reuse: Sequence[Path] = ()


def reproduce(
    request: Request, executor: Executor, report: Callable[[Outcome, int, int], None]
) -> Results:
    """Run all jobs that have no result yet.

    Args:
        request: the study and its options.
        executor: runs the jobs.
        report: receives the outcome of a job, how many have ended, and their total.

    Returns:
        all results; `results.json` holds them too, and is written after every run.

    Raises:
        UserError: a network or an image is missing, the folder is in use or of another study, the
            training images have changed, or a run failed; results so far are kept.
    """
    require_networks(request.study)
    _require_sets(request)
    known = find_runs(request.reuse)
    pairs = _require_images(request)
    with locked(request.folder):
        current = _begin(request, pairs)
        jobs = _plan(request, current.data)
        for job in jobs:
            work.previous_result(job)
        reuse_runs(jobs, known)
        failed: list[Outcome] = []
        with closing(executor.run(jobs)) as outcomes:
            for count, outcome in enumerate(outcomes, start=1):
                if outcome.error:
                    failed.append(outcome)
                else:
                    current = _collect(request, current, jobs)
                report(outcome, count, len(jobs))
    if failed:
        last = failed[-1]
        raise UserError(
            f"{len(failed)} of {len(jobs)} runs failed; the same command resumes once the cause is "
            f"fixed: {last.job.run.name} with seed {last.job.seed}: {last.error}"
        )
    return current


def named_sets(study: Study, texts: Sequence[str]) -> dict[str, Path]:
    """Return folders by the names of test sets.

    Args:
        study: whose test sets they are.
        texts: "NAME=DIR" each, or a folder that holds folders of the sets.

    Raises:
        UserError: a folder holds none of the study's sets.
    """
    sets: dict[str, Path] = {}
    for text in texts:
        name, equals, folder = text.partition("=")
        if equals:
            if not folder:
                raise UserError(f"{text!r} names no folder; write {name}=DIR")
            sets[name] = Path(folder)
            continue
        below = {name: Path(text) / name for name in study.sets if (Path(text) / name).is_dir()}
        if not below:
            raise UserError(f"{text} holds none of {', '.join(study.sets)}; write NAME=DIR")
        sets = {**below, **sets}
    return sets


def stored_results(study: Study, quick: bool, folder: Path | None) -> Results:
    """Return the results in a study's folder, or the shipped ones for None.

    Raises:
        UserError: there are none, or they are of another study.
    """
    path = results_file(study.name, quick) if folder is None else folder / RESULTS
    if folder is None and not path.exists():
        kind = "quick" if quick else "full"
        raise UserError(
            f"no results of the {kind} study {study.name} are shipped; name a folder with --out"
        )
    stored = results.read(path)
    if stored.study != study.name:
        raise UserError(f"{path} holds the study {stored.study}, not {study.name}")
    return stored


def _require_sets(request: Request) -> None:
    for name in request.sets:
        if name not in request.study.sets:
            raise UserError(
                f"the study {request.study.name} does not use {name!r}; its test sets: "
                f"{', '.join(request.study.sets)}"
            )
        folder = request.sets[name]
        find_pairs(folder, 1, for_test=True)
        layout = thermal.find(folder)
        if name in thermal.UNPACKED and (layout is None or layout.name != name):
            raise UserError(
                f"{folder} is not the unpacked {name}, which has {thermal.UNPACKED[name]}"
            )


def _require_images(request: Request) -> list[Pair]:
    """Return the training images; checks them for all runs before a study starts."""
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
    """Return the results in the folder, which may be empty.

    Raises:
        UserError: they are of another study or other images.
    """
    data = f"{len(pairs)} images, {work.digest_of(pairs)}"
    blank = Results(results.VERSION, request.study.name, request.quick, data, _software(), ())
    path = request.folder / RESULTS
    if not path.exists():
        results.write(path, blank)
        return blank
    current = results.read(path)
    if (current.study, current.quick) != (blank.study, blank.quick):
        kind = "--quick" if current.quick else "full"
        raise UserError(
            f"{request.folder} holds the {kind} study {current.study}; name another --out"
        )
    if current.data != data:
        raise UserError(
            f"{request.data} has changed since the study in {request.folder} started, from "
            f"{current.data} to {data}; name the same images, or another --out"
        )
    return current


def _software() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in _SOFTWARE}


def _plan(request: Request, data: str) -> list[Job]:
    """Return the jobs of all runs and seeds: all runs with one seed, then the next seed."""
    sets = {name: str(path.resolve()) for name, path in request.sets.items()}
    jobs = []
    for seed in range(request.seeds):
        for run in request.study.run:
            if run.model == BICUBIC and seed:
                continue
            folder = request.folder.resolve() / "runs" / f"{run.name} {seed}"
            recipe = recipes.to_dict(request.study.recipe_of(run, request.quick))
            folders = (str(folder), str(request.data.resolve()))
            columns, border = request.study.columns, request.study.border
            jobs.append(Job(run, recipe, seed, *folders, data, columns, border, sets))
    return jobs


def _collect(request: Request, current: Results, jobs: Iterable[Job]) -> Results:
    """Collect the results of all finished runs into the study's file."""
    merged = {(result.run, result.seed): result for result in current.results}
    for job in jobs:
        path = Path(job.folder) / work.RESULT
        if path.exists():
            merged[job.run.name, job.seed] = results.read_result(path)
    ordered = _ordered(request.study, merged.values())
    collected = Results(**{**vars(current), "results": ordered})
    results.write(request.folder / RESULTS, collected)
    return collected


def _ordered(study: Study, unordered: Iterable[Result]) -> tuple[Result, ...]:
    places = {run.name: place for place, run in enumerate(study.run)}
    return tuple(sorted(unordered, key=lambda r: (places.get(r.run, len(places)), r.seed)))
