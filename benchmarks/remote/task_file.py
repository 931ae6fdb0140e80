"""The task that a host sends to a target, as JSON: the schema of task.json."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import subject
from benchmarks.measuring.measure import Task
from benchmarks.measuring.suites import BACKENDS, CaseRequest
from edge_sr import schema
from edge_sr.errors import UserError
from edge_sr.records import Part, Precision, Sampling

VERSION = 1
MAX_BYTES = 2**20
MAX_ITEMS = 10_000


@dataclass(frozen=True)
class Item:
    """A case, as `suites.CaseRequest`; `file` is the user's model, sent with the task."""

    network: str
    part: Part
    precision: Precision
    backend: str
    threads: int
    height: int
    width: int
    end_to_end: bool
    pinned: tuple[int, ...]
    file: str | None


@dataclass(frozen=True)
class TaskFile:
    """All cases.

    Attributes:
        suite: its name; None where the cases are not those of a suite.
        sampling: of each case.
        items: the cases.
        previous: whether a record to resume lies beside it, previous.json.
    """

    schema_version: int
    suite: str | None
    sampling: Sampling
    items: tuple[Item, ...]
    previous: bool


def write(task: Task, previous: bool) -> tuple[bytes, dict[str, Path]]:
    """Return the JSON of a task, and the user's files by the names that the JSON gives them."""
    files: dict[Path, str] = {}
    items = tuple(_item(case, files) for case in task.cases)
    file = TaskFile(VERSION, task.suite, task.sampling, items, previous)
    text = json.dumps(dataclasses.asdict(file), allow_nan=False)
    return text.encode(), {name: path for path, name in files.items()}


def _item(request: CaseRequest, files: dict[Path, str]) -> Item:
    name = None
    if request.subject is not None:
        path = request.subject.files[BACKENDS[request.backend].suffix]
        name = files.setdefault(path, f"models/{len(files)}/{path.name}")
    known = {field.name for field in dataclasses.fields(Item)} - {"file"}
    return Item(file=name, **{key: value for key, value in vars(request).items() if key in known})


def read(path: Path) -> tuple[Task, bool]:
    """Return the task, and whether a record to resume lies beside the file.

    Raises:
        UserError: the file is not of this version, or a model file in it is invalid.
    """
    values = schema.parse(path.read_bytes(), MAX_BYTES, "a task")
    try:
        schema.check_version(values, VERSION)
        file: TaskFile = schema.decode(values, TaskFile, "task", MAX_ITEMS)
    except UserError as error:
        raise UserError(
            f"the wheel is of another version of edge-sr than the host: {error}"
        ) from None
    cases = tuple(_request(item, path.parent) for item in file.items)
    return Task(file.suite, cases, file.sampling), file.previous


def _request(item: Item, folder: Path) -> CaseRequest:
    if item.backend not in BACKENDS:
        raise UserError(f"unknown runtime {item.backend!r}")
    values = {key: value for key, value in vars(item).items() if key != "file"}
    opened = None if item.file is None else subject.open_file(folder / item.file)
    return CaseRequest(**values, subject=opened)
