"""Results as JSON: one file for each run, and one for the study."""

from dataclasses import dataclass
from pathlib import Path

from edge_sr import schema
from edge_sr.errors import UserError
from edge_sr.files import replacing

VERSION = 1
_MAX_BYTES = 64 << 20
_MAX_ITEMS = 100_000


@dataclass(frozen=True)
class Point:
    """An epoch of training: mean loss, and quality on the validation images."""

    epoch: int
    loss: float
    psnr: float
    ssim: float


@dataclass(frozen=True)
class Score:
    """Mean quality on one set at one scale.

    Attributes:
        column: set and scale, like "set5 x2".
        images: number of images.
        digest: of their files.
        psnr: dB on Y; None if an image is exactly reproduced.
        ssim: on Y.
    """

    column: str
    images: int
    digest: str
    psnr: float | None
    ssim: float


@dataclass(frozen=True)
class Result:
    """The result of a run with one seed.

    Attributes:
        run: its name in the study.
        seed: of weights and patches.
        plan: digest of network, recipe, seed and training images.
        parameters: of the folded network; 0 for bicubic.
        steps: number of training steps.
        weights: digest of the best weights; empty without any.
        diverged: why training ended early, or empty.
        curve: of the training.
        scores: on the test sets that had a folder.
    """

    run: str
    seed: int
    plan: str
    parameters: int
    steps: int
    weights: str
    diverged: str
    curve: tuple[Point, ...]
    scores: tuple[Score, ...]


@dataclass(frozen=True)
class Results:
    """The results of a study so far.

    Attributes:
        schema_version: of this file.
        study: its name.
        quick: whether it was shortened.
        data: number of training images and a digest of their files.
        software: versions of the packages.
        results: of the finished runs.
    """

    schema_version: int
    study: str
    quick: bool
    data: str
    software: dict[str, str]
    results: tuple[Result, ...]


def write(path: Path, record: Result | Results) -> None:
    """Write a file atomically.

    Raises:
        UserError: it cannot be written; an existing file is kept.
    """
    with replacing(path) as temporary:
        temporary.write_text(schema.dumps(record), encoding="utf-8")


def read_result(path: Path) -> Result:
    """Read a run's file.

    Raises:
        UserError: it cannot be read, or is not a result.
    """

    def loads(data: bytes) -> Result:
        values = schema.parse(data, _MAX_BYTES, "a run's result")
        decoded: Result = schema.decode(values, Result, "the result", _MAX_ITEMS)
        return decoded

    return schema.read(path, _MAX_BYTES, loads)


def read(path: Path) -> Results:
    """Read a study's file.

    Raises:
        UserError: it cannot be read, or does not hold results.
    """

    def loads(data: bytes) -> Results:
        values = schema.parse(data, _MAX_BYTES, "a study's results")
        schema.check_version(values, VERSION)
        decoded: Results = schema.decode(values, Results, "the results", _MAX_ITEMS)
        keys = [(result.run, result.seed) for result in decoded.results]
        if len(set(keys)) < len(keys):
            raise UserError("it holds a run twice; remove one")
        return decoded

    return schema.read(path, _MAX_BYTES, loads)
