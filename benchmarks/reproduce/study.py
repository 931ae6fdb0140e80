"""Studies as data: studies/*.toml.

title = "TinyPSSR by loss"
source = "Chiapputo & Bailey"        # who published it
about = "1,000 epochs"               # what the full study is, for the tables
recipe = "slides"                    # that all runs change
published = "losses"                 # table of published.toml
figures = ["ssim", "psnr"]           # one table each
columns = ["set5 x2", "set5 x4"]     # image set and scale
border = 4                           # pixels cropped from each side; the scale where it lacks

[quick]                              # what --quick changes
about = "20 epochs"
changes = { stop.epochs = 20 }       # of the recipe

[[run]]
name = "mae"                         # also its row in the published table
model = "tinypssr"
scale = 2
options = { activation = "relu" }    # of the network
changes = { loss = { mae = 1.0 } }   # of the recipe
baseline = "mse"                     # that a table of percentages stands on

[[run]]
name = "mse"
model = "tinypssr"
scale = 2
changes = { loss = { mse = 1.0 } }

[[claim]]                            # what the paper's figures say of their order
about = "MAE has the best PSNR on Set5"
figure = "psnr"                      # or "ssim", or "wobble" of the training curve
best = ["mae"]                       # above every other run
columns = ["set5 x2"]                # over the mean of these; of all where it lacks

[[claim]]
about = "MSE has more SSIM than MAE"
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
"""In a model's place: the interpolation, which is not trained."""

_MAX_ITEMS = 200
_MAX_BYTES = 1 << 20
_MAX_BORDER = 100

Figure = Literal["psnr", "ssim"]


@dataclass(frozen=True)
class Run:
    """One row of a study's tables; see the module for the entries."""

    name: str
    model: str
    scale: int
    options: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    baseline: str = ""


@dataclass(frozen=True)
class Quick:
    """What --quick changes: entries of the recipe."""

    about: str
    changes: dict[str, Any]


@dataclass(frozen=True)
class Claim:
    """An order of runs that the paper's figures have."""

    about: str
    figure: Literal["psnr", "ssim", "wobble"]
    best: tuple[str, ...] = ()
    pairs: tuple[tuple[str, ...], ...] = ()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entries:
    """What a study's file says; see the module."""

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
        """The image sets that it is judged on."""
        return tuple(dict.fromkeys(split_column(column)[0] for column in self.columns))

    def recipe_of(self, run: Run, quick: bool) -> Recipe:
        """How a run is trained: the study's recipe, changed by the run, then by --quick."""
        recipe = recipes.changed(recipes.load(self.recipe), run.changes)
        if quick:
            recipe = recipes.changed(recipe, self.quick.changes)
        recipes.check_for(recipe, run.scale)
        return recipe


@dataclass(frozen=True)
class Study(Entries):
    """A study, by the name of its file."""

    name: str = ""


def names() -> list[str]:
    """All studies that ship."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def results_file(name: str, quick: bool) -> Path:
    """Where the results of a study that ship are; it may not exist."""
    return FOLDER / "results" / f"{name}{'-quick' if quick else ''}.json"


def load(name: str) -> Study:
    """A study that ships, or a user's own .toml file.

    Raises:
        UserError: there is none of that name, or the file is no study.
    """
    if not name.endswith(".toml") and name not in names():
        raise UserError(f"there is no study {name!r}; there are {', '.join(names())}")
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
        raise UserError("a study has [[run]]s with different names, of letters, digits, .-+ _")
    for name in ("title", "figures", "columns"):
        if not getattr(study, name):
            raise UserError(f"a study has some {name}; here it is empty")
    published.load(study.published)
    for column in study.columns:
        split_column(column)
    if study.border is not None and not 0 <= study.border <= _MAX_BORDER:
        raise UserError(f"border is between 0 and {_MAX_BORDER}, not {study.border}")
    for claim in study.claim:
        _check_claim(claim, study, known)
    for run in study.run:
        _check_run(run, study, known)


def _check_claim(claim: Claim, study: Entries, known: list[str]) -> None:
    if bool(claim.best) == bool(claim.pairs):
        raise UserError(f"the claim {claim.about!r} has either best or pairs")
    if set(claim.best) >= set(known):
        raise UserError(f"the claim {claim.about!r} leaves no other run to be better than")
    if not set(claim.columns) <= set(study.columns):
        raise UserError(f"the claim {claim.about!r} has columns that the study has not")
    if any(len(pair) != 2 for pair in claim.pairs):
        raise UserError(f"pairs of the claim {claim.about!r} are of two runs each")
    _check_names([*claim.best, *(name for pair in claim.pairs for name in pair)], known)


def _check_run(run: Run, study: Entries, known: list[str]) -> None:
    _check_names([run.baseline] if run.baseline else [], known)
    if run.baseline == run.name:
        raise UserError(f"the run {run.name!r} has itself as its baseline; name another run")
    if "scale" in run.options:
        raise UserError(f"the options of the run {run.name!r} have a scale; it stands beside them")
    if run.scale < 2:
        raise UserError(f"the run {run.name!r} has a scale of {run.scale}; they start at 2")
    for quick in (True, False):
        study.recipe_of(run, quick)


def _check_names(names: list[str], known: list[str]) -> None:
    for name in names:
        if name not in known:
            raise UserError(f"the study names a run {name!r}; it has {', '.join(known)}")


def _is_file_name(name: str) -> bool:
    return 0 < len(name) <= 60 and all(c.isalnum() or c in ".-+ _" for c in name) and name[0] != "."


def split_column(column: str) -> tuple[str, int]:
    """Image set and scale of a column like "set5 x2".

    Raises:
        UserError: it is none.
    """
    name, _, scale = column.rpartition(" x")
    if not name or scale not in ("2", "3", "4", "8"):
        raise UserError(f"{column!r} is no column; one is like 'set5 x2'")
    return name, int(scale)


def passes(run: Run, scale: int) -> int:
    """How often the run's network is applied for that scale; 0: it cannot reach it."""
    if run.model == BICUBIC:
        return 1
    reached, count = run.scale, 1
    while reached < scale:
        reached, count = reached * run.scale, count + 1
    return count if reached == scale else 0


def require_networks(study: Study) -> None:
    """Refuse a study whose networks are not all there, before any work is done.

    Raises:
        UserError: so; or an option or a scale is none of its network.
    """
    for run in study.run:
        if run.model == BICUBIC:
            continue
        if run.model not in registry.names("super-resolution"):
            raise UserError(
                f"the study {study.name} needs the network {run.model}, which this edge-sr does "
                f"not have; it has {', '.join(registry.names('super-resolution'))}"
            )
        try:
            registry.get(run.model).config_from_dict({"scale": run.scale, **run.options})
        except UserError as error:
            raise UserError(f"the study {study.name}, run {run.name!r}: {error}") from None
