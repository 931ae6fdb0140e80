"""One run of a study, from images to its result; what is there already is not done again."""

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
from benchmarks.reproduce.study import BICUBIC, Run, passes, split_column
from edge_sr import evaluate
from edge_sr.data.datasets import Pair, find_pairs
from edge_sr.data.degradation import bicubic_upscale
from edge_sr.errors import UserError
from edge_sr.files import locked, make_folder
from edge_sr.models import checkpoint, registry
from edge_sr.training import recipe as recipes
from edge_sr.training.fit import LOG, Epoch
from edge_sr.upscale import upscale

RESULT = "result.json"

# Sums of floats depend on how threads share them: one each, and a seed repeats itself anywhere.
_ONE_THREAD = {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}

_Plane = np.ndarray


@dataclass(frozen=True)
class Job:
    """A run with one seed, in values that JSON can hold.

    Attributes:
        run: of the study.
        recipe: as `recipes.to_dict` gives it.
        seed: of weights and patches.
        folder: of the run; all machines that take part see it by this name.
        data: folder of training images.
        data_digest: of their files.
        columns: that it is judged by.
        border: pixels cropped where it is judged; None: as many as the scale.
        sets: folders by the names of image sets; those without one are left out.
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
        """A digest of everything that decides what is trained, on what."""
        run = {"model": self.run.model, "scale": self.run.scale, "options": self.run.options}
        plan = {**run, "recipe": self.recipe, "seed": self.seed, "data": self.data_digest}
        return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:16]


def do(job: Job) -> Result:
    """Train, judge, and write the result into the run's folder; go on where that was stopped.

    Raises:
        UserError: another process has the folder, it holds another run, images have changed or
            cannot be read, or the disk is full.
    """
    os.environ.update(_ONE_THREAD)
    folder = Path(job.folder)
    with locked(folder):
        found = former(job)
        if found is None:
            found = _start(job, folder)
            results.write(folder / RESULT, found)
        judged = _judged(job, folder, found)
        if judged != found:
            results.write(folder / RESULT, judged)
        return judged


def former(job: Job) -> Result | None:
    """The result that a run has already.

    Raises:
        UserError: it is that of another run, or none.
    """
    folder = Path(job.folder)
    if not (folder / RESULT).exists():
        return None
    found = results.read_result(folder / RESULT)
    if found.plan != job.plan:
        raise UserError(
            f"{folder} holds the result of other settings or images; name another --out"
        )
    return found


def _start(job: Job, folder: Path) -> Result:
    """The result of training, with no score as yet."""
    blank = Result(job.run.name, job.seed, job.plan, 0, 0, "", "", (), ())
    return blank if job.run.model == BICUBIC else _train(job, folder, blank)


class _Silence:
    def chunk(self, epoch: int, steps_done: int, loss: float) -> None:
        """Say nothing."""

    def epoch(self, result: Epoch) -> None:
        """Say nothing: the log has it."""


def _train(job: Job, folder: Path, blank: Result) -> Result:
    from edge_sr.models.namespaces import import_keras
    from edge_sr.training.fit import DivergedError
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
        trainer.run(keep, _Silence())
    except DivergedError as error:  # which is a result: some of what is studied does
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


# --- judging


def _judged(job: Job, folder: Path, result: Result) -> Result:
    """The result with the scores that it lacked, of those sets whose folders are named."""
    if result.run != job.run.name or (job.run.model != BICUBIC and not result.weights):
        return result
    scores = {score.column: score for score in result.scores}
    open_upscaler = _opener(job, folder)
    for column in job.columns:
        name, scale = split_column(column)
        if name not in job.sets or not passes(job.run, scale):
            continue
        pairs = find_pairs(job.sets[name], scale, for_test=True)
        digest = digest_of(pairs, job.border)
        if column not in scores:
            found = evaluate.mean(
                evaluate.evaluate(open_upscaler(scale), pairs, scale, border=job.border)
            )
            psnr = found.psnr if math.isfinite(found.psnr) else None
            scores[column] = Score(column, len(pairs), digest, psnr, found.ssim)
        elif scores[column].digest != digest:
            raise UserError(
                f"{job.sets[name]} is not the {name} that {folder} was judged by, or the border is "
                "another; name that one, or another --out"
            )
    ordered = tuple(scores[column] for column in job.columns if column in scores)
    return dataclasses.replace(result, scores=ordered)


def _opener(job: Job, folder: Path) -> Callable[[int], Any]:
    """Gives what upscales by a factor; the network is opened when it is first needed."""
    if job.run.model == BICUBIC:
        return lambda scale: partial(bicubic_upscale, scale=scale)
    opened: dict[str, Any] = {}

    def give(scale: int) -> Any:
        from edge_sr.runtime.keras import KerasSession
        from edge_sr.training.start import BEST

        if not opened:
            opened["session"] = KerasSession(folder / BEST)
        session, times = opened["session"], passes(job.run, scale)
        return session if times == 1 else partial(_repeated, session, times)

    return give


def _repeated(session: Any, times: int, plane: _Plane) -> _Plane:
    """A plane through the network several times, 8-bit pixels in between."""
    for _ in range(times):
        plane = upscale(session, plane)
    return plane


def digest_of(pairs: list[Pair], border: int | None = None) -> str:
    """A digest of the files of a set, with their names, and of the border if one is chosen."""
    found = hashlib.sha256(b"" if border is None else b"%d" % border)
    for pair in pairs:
        for path in (pair.hr, pair.lr):
            content = b"" if path is None else hashlib.sha256(path.read_bytes()).digest()
            found.update(pair.name.encode(errors="surrogateescape") + b"\0" + content)
    return found.hexdigest()[:16]


def to_json(job: Job) -> str:
    """The job as one line."""
    return json.dumps(dataclasses.asdict(job))


def from_json(text: str) -> Job:
    """The inverse of `to_json`."""
    values: Mapping[str, Any] = json.loads(text)
    columns = tuple(values["columns"])
    return Job(**{**values, "run": Run(**values["run"]), "columns": columns})
