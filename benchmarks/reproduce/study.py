"""Studies as data: studies/*.toml.

title = "TinyPSSR by loss"
source = "Chiapputo & Bailey"        # the publication
about = "1,000 epochs"               # describes the full study in the tables
recipe = "slides"                    # the base recipe of all runs
published = "losses"                 # table of published.toml
figures = ["ssim", "psnr"]           # one table each
columns = ["set5 x2", "set5 x4"]     # test set and scale
border = 4                           # pixels cropped from each side; default: the scale

[quick]                              # changes of --quick
about = "20 epochs"
changes = { stop.epochs = 20 }       # of the recipe

[[run]]
name = "mae"                         # also its row in the published table
model = "tinypssr"
scale = 2
options = { activation = "relu" }    # of the network
changes = { loss = { mae = 1.0 } }   # of the recipe
baseline = "mse"                     # 100 % in a table of percentages

[[run]]
name = "mse"
model = "tinypssr"
scale = 2
changes = { loss = { mse = 1.0 } }

[[claim]]                            # an order that the paper's figures have
about = "MAE has the best PSNR on Set5"
figure = "psnr"                      # or "ssim", or "wobble" of the training curve
best = ["mae"]                       # above every other run
columns = ["set5 x2"]                # the mean of these columns; default: all

[[claim]]
about = "MSE has a higher SSIM than MAE"
figure = "ssim"
pairs = [["mse", "mae"]]             # the first above the second
"""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks.reproduce import published
from edge_sr import schema
from edge_sr.errors import UserError
from edge_sr.models import registry
from edge_sr.training import recipe as recipes
from edge_sr.training.recipe import Recipe

FOLDER = Path(__file__).parent.parent / "studies"
BICUBIC = "bicubic"
"""The model name of bicubic interpolation, which is not trained."""

_MAX_ITEMS = 200
_MAX_BYTES = 1 << 20
_MAX_BORDER = 100

Figure = Literal["psnr", "ssim"]


@dataclass(frozen=True)
class Run:
    """A row of a study's tables; the module describes the entries."""

    name: str
    model: str
    scale: int
    options: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    baseline: str = ""


@dataclass(frozen=True)
class Quick:
    """The changes of --quick: entries of the recipe."""

    about: str
    changes: dict[str, Any]


@dataclass(frozen=True)
class Claim:
    """An order of runs in the paper's figures."""

    about: str
    figure: Literal["psnr", "ssim", "wobble"]
    best: tuple[str, ...] = ()
    pairs: tuple[tuple[str, ...], ...] = ()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entries:
    """The entries of a study's file; the module describes them."""

    title: str
    source: str
    about: str
    recipe: str
    published: str
    figures: tuple[Figure, ...]
    columns: tuple[str, ...]
    quick: Quick
    run: tuple[Run, ...]
    claim: tuple[Claim, ...] = ()
    border: int | None = None

    @property
    def sets(self) -> tuple[str, ...]:
        """The test sets."""
        return tuple(dict.fromkeys(split_column(column)[0] for column in self.columns))

    def recipe_of(self, run: Run, quick: bool) -> Recipe:
        """Return the recipe of a run: the study's, changed by the run and then by --quick."""
        recipe = recipes.changed(recipes.load(self.recipe), run.changes)
        if quick:
            recipe = recipes.changed(recipe, self.quick.changes)
        recipes.check_for(recipe, run.scale)
        return recipe


@dataclass(frozen=True)
class Study(Entries):
    """A study; its name is that of its file."""

    name: str = ""


def names() -> list[str]:
    """Return the names of all shipped studies."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def results_file(name: str, quick: bool) -> Path:
    """Return the path of a study's shipped results, which may be missing."""
    return FOLDER / "results" / f"{name}{'-quick' if quick else ''}.json"


def load(name: str) -> Study:
    """Read a shipped study, or a user's own .toml file.

    Raises:
        UserError: no study has that name, or the file is not a study.
    """
    if not name.endswith(".toml") and name not in names():
        raise UserError(f"unknown study {name!r}; available: {', '.join(names())}")
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    return Study(**vars(schema.read(path, _MAX_BYTES, _loads)), name=path.stem)


def _loads(data: bytes) -> Entries:
    if len(data) > _MAX_BYTES:
        raise UserError(f"a study has at most {_MAX_BYTES} bytes")
    try:
        values = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise UserError(f"it is not TOML: {error}") from None
    study: Entries = schema.decode(values, Entries, "the study", _MAX_ITEMS)
    _check(study)
    return study


def _check(study: Entries) -> None:
    known = [run.name for run in study.run]
    if not known or len(set(known)) < len(known) or not all(map(_is_file_name, known)):
        raise UserError("[[run]] tables need different names of letters, digits and .-+ _")
    for name in ("title", "figures", "columns"):
        if not getattr(study, name):
            raise UserError(f"{name} must not be empty")
    published.load(study.published)
    for column in study.columns:
        split_column(column)
    if study.border is not None and not 0 <= study.border <= _MAX_BORDER:
        raise UserError(f"border must be 0 to {_MAX_BORDER}, not {study.border}")
    for claim in study.claim:
        _check_claim(claim, study, known)
    for run in study.run:
        _check_run(run, study, known)


def _check_claim(claim: Claim, study: Entries, known: list[str]) -> None:
    if bool(claim.best) == bool(claim.pairs):
        raise UserError(f"the claim {claim.about!r} needs either best or pairs")
    if set(claim.best) >= set(known):
        raise UserError(f"the claim {claim.about!r} lists all runs as best; leave some out")
    if not set(claim.columns) <= set(study.columns):
        raise UserError(f"the claim {claim.about!r} has columns that the study lacks")
    if any(len(pair) != 2 for pair in claim.pairs):
        raise UserError(f"pairs of the claim {claim.about!r} must have two runs each")
    _check_names([*claim.best, *(name for pair in claim.pairs for name in pair)], known)


def _check_run(run: Run, study: Entries, known: list[str]) -> None:
    _check_names([run.baseline] if run.baseline else [], known)
    if run.baseline == run.name:
        raise UserError(f"the run {run.name!r} is its own baseline; name another run")
    if "scale" in run.options:
        raise UserError(f"the options of the run {run.name!r} have a scale; it belongs to the run")
    if run.scale < 2:
        raise UserError(f"the run {run.name!r} has a scale of {run.scale}; at least 2 is needed")
    for quick in (True, False):
        study.recipe_of(run, quick)


def _check_names(names: list[str], known: list[str]) -> None:
    for name in names:
        if name not in known:
            raise UserError(f"unknown run {name!r}; available: {', '.join(known)}")


def _is_file_name(name: str) -> bool:
    return 0 < len(name) <= 60 and all(c.isalnum() or c in ".-+ _" for c in name) and name[0] != "."


def split_column(column: str) -> tuple[str, int]:
    """Return test set and scale of a column like "set5 x2".

    Raises:
        UserError: the text is not a column.
    """
    name, _, scale = column.rpartition(" x")
    if not name or scale not in ("2", "3", "4", "8"):
        raise UserError(f"{column!r} is not a column; write it like 'set5 x2'")
    return name, int(scale)


def repetitions(run: Run, scale: int) -> int:
    """Return how often the run's network is applied for a scale; 0 if it cannot reach it."""
    if run.model == BICUBIC:
        return 1
    reached, count = run.scale, 1
    while reached < scale:
        reached, count = reached * run.scale, count + 1
    return count if reached == scale else 0


def require_networks(study: Study) -> None:
    """Check the networks of a study before any work is done.

    Raises:
        UserError: a network is unknown, or does not have an option or scale.
    """
    for run in study.run:
        if run.model == BICUBIC:
            continue
        if run.model not in registry.names("super-resolution"):
            raise UserError(
                f"the study {study.name} needs the unknown network {run.model}; available: "
                f"{', '.join(registry.names('super-resolution'))}"
            )
        try:
            registry.get(run.model).config_from_dict({"scale": run.scale, **run.options})
        except UserError as error:
            raise UserError(f"the study {study.name}, run {run.name!r}: {error}") from None
