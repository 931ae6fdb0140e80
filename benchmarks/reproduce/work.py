"""Runs one job of a study, from images to its result; finished steps are reused."""

import csv
import dataclasses
import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reproduce import results
from benchmarks.reproduce.results import Point, Result, Score
from benchmarks.reproduce.study import BICUBIC, Run, repetitions, split_column
from edge_sr import evaluate
from edge_sr.data.datasets import Pair, find_pairs
from edge_sr.data.degradation import bicubic_upscale
from edge_sr.errors import UserError
from edge_sr.files import locked, make_folder
from edge_sr.models import checkpoint, registry
from edge_sr.training import recipe as recipes
from edge_sr.training.fit import LOG
from edge_sr.upscaling import upscale

RESULT = "result.json"

# Sums of floats depend on the number of threads: with one thread a seed is reproducible.
_ONE_THREAD = {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}

_Plane = np.ndarray


@dataclass(frozen=True)
class Job:
    """A run with one seed, in JSON values.

    Attributes:
        run: of the study.
        recipe: from `recipes.to_dict`.
        seed: of weights and patches.
        folder: of the run, at the same path on all machines.
        data: folder of training images.
        data_digest: of their files.
        columns: test sets and scales.
        border: pixels cropped before scoring; None: as many as the scale.
        sets: folders by the names of test sets; sets without a folder are skipped.
    """

    run: Run
    recipe: dict[str, Any]
    seed: int
    folder: str
    data: str
    data_digest: str
    columns: tuple[str, ...]
    border: int | None = None
    sets: dict[str, str] = field(default_factory=dict)

    @property
    def plan(self) -> str:
        """A digest of all that determines the weights: network, recipe, seed and images."""
        run = {"model": self.run.model, "scale": self.run.scale, "options": self.run.options}
        plan = {**run, "recipe": self.recipe, "seed": self.seed, "data": self.data_digest}
        return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:16]


def do(job: Job) -> Result:
    """Train, score, and write the result into the run's folder; resumes an interrupted job.

    Raises:
        UserError: the folder is in use or holds another run, images have changed or cannot be
            read, or the disk is full.
    """
    os.environ.update(_ONE_THREAD)
    folder = Path(job.folder)
    with locked(folder):
        result = previous_result(job)
        if result is None:
            result = _start(job, folder)
            results.write(folder / RESULT, result)
        scored = _scored(job, folder, result)
        if scored != result:
            results.write(folder / RESULT, scored)
        return scored


def previous_result(job: Job) -> Result | None:
    """Return the result in the job's folder, or None.

    Raises:
        UserError: it is of another run, or not a result.
    """
    folder = Path(job.folder)
    if not (folder / RESULT).exists():
        return None
    result = results.read_result(folder / RESULT)
    if result.plan != job.plan:
        raise UserError(
            f"{folder} holds the result of other settings or images; name another --out"
        )
    return result


def _start(job: Job, folder: Path) -> Result:
    """Return the result of training, without scores."""
    blank = Result(job.run.name, job.seed, job.plan, 0, 0, "", "", (), ())
    return blank if job.run.model == BICUBIC else _train(job, folder, blank)


def _train(job: Job, folder: Path, blank: Result) -> Result:
    from edge_sr.models.namespaces import import_keras
    from edge_sr.training.fit import DivergedError, Silence
    from edge_sr.training.samples import load_samples
    from edge_sr.training.start import BEST, Plan, prepare

    recipe = recipes.from_dict(job.recipe)
    keras = import_keras()
    spec = registry.get(job.run.model)
    samples = load_samples(Path(job.data), job.run.scale, recipe, spec.channels)
    plan = Plan(spec, spec.config(job.run.scale, **job.run.options), recipe, job.seed)
    make_folder(folder)
    trainer, keep = prepare(plan, keras, samples, folder, resume=True)
    diverged = ""
    try:
        trainer.run(keep, Silence())
    except DivergedError as error:  # a valid result of some studies
        diverged = str(error)
    curve = _curve(folder / LOG)
    steps = len(curve) * recipe.stop.steps_per_epoch
    result = dataclasses.replace(blank, steps=steps, diverged=diverged, curve=curve)
    if not (folder / BEST).exists():
        return result
    weights = checkpoint.read(folder / BEST).weights
    parameters = sum(array.size for array in weights.values())
    digest = checkpoint.digest(weights)
    return dataclasses.replace(result, parameters=parameters, weights=digest)


def _curve(log: Path) -> tuple[Point, ...]:
    if not log.exists():
        return ()
    with log.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    return tuple(
        Point(int(line["epoch"]), *(float(line[name]) for name in ("loss", "psnr", "ssim")))
        for line in lines
    )


# --- scores


def _scored(job: Job, folder: Path, result: Result) -> Result:
    """Return the result with scores on all sets that have a folder."""
    if result.run != job.run.name or (job.run.model != BICUBIC and not result.weights):
        return result
    scores = {score.column: score for score in result.scores}
    open_upscaler = _opener(job, folder)
    for column in job.columns:
        name, scale = split_column(column)
        if name not in job.sets or not repetitions(job.run, scale):
            continue
        pairs = find_pairs(job.sets[name], scale, for_test=True)
        digest = digest_of(pairs, job.border)
        if column not in scores:
            quality = evaluate.mean(
                evaluate.evaluate(open_upscaler(scale), pairs, scale, border=job.border)
            )
            psnr = quality.psnr if math.isfinite(quality.psnr) else None
            scores[column] = Score(column, len(pairs), digest, psnr, quality.ssim)
        elif scores[column].digest != digest:
            raise UserError(
                f"{job.sets[name]} is not the {name} that the scores in {folder} are of, or the "
                "border differs; name the same images, or another --out"
            )
    ordered = tuple(scores[column] for column in job.columns if column in scores)
    return dataclasses.replace(result, scores=ordered)


def _opener(job: Job, folder: Path) -> Callable[[int], Any]:
    """Return a function that gives an upscaler by its scale; opens the network on first use."""
    if job.run.model == BICUBIC:
        return lambda scale: partial(bicubic_upscale, scale=scale)
    opened: dict[str, Any] = {}

    def give(scale: int) -> Any:
        from edge_sr.runtime.keras import KerasSession
        from edge_sr.training.start import BEST

        if not opened:
            opened["session"] = KerasSession(folder / BEST)
        session, times = opened["session"], repetitions(job.run, scale)
        return session if times == 1 else partial(_repeated, session, times)

    return give


def _repeated(session: Any, times: int, plane: _Plane) -> _Plane:
    """Apply the network several times, with 8-bit pixels in between."""
    for _ in range(times):
        plane = upscale(session, plane)
    return plane


def digest_of(pairs: list[Pair], border: int | None = None) -> str:
    """Return a digest of a set's files and names, and of the border unless it is None."""
    digest = hashlib.sha256(b"" if border is None else b"%d" % border)
    for pair in pairs:
        for path in (pair.hr, pair.lr):
            content = b"" if path is None else hashlib.sha256(path.read_bytes()).digest()
            digest.update(pair.name.encode(errors="surrogateescape") + b"\0" + content)
    return digest.hexdigest()[:16]


def to_json(job: Job) -> str:
    """Return the job as one line of JSON."""
    return json.dumps(dataclasses.asdict(job))


def from_json(text: str) -> Job:
    """Return the job of a line; the inverse of `to_json`."""
    values: Mapping[str, Any] = json.loads(text)
    columns = tuple(values["columns"])
    return Job(**{**values, "run": Run(**values["run"]), "columns": columns})
