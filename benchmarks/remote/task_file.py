"""What a desk asks another machine to measure, as JSON: the schema of task.json."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import subject
from benchmarks.measuring.measure import Task
from benchmarks.measuring.suites import BACKENDS, Wanted
from edge_sr import schema
from edge_sr.errors import UserError
from edge_sr.records import Part, Precision, Sampling

ORDER_VERSION = 1
MAX_BYTES = 2**20
MAX_ITEMS = 10_000


@dataclass(frozen=True)
class Item:
    """A case, as `benchmarks.measuring.suites.Wanted`; `file` is the user's, beside the order."""

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
class Order:
    """All cases.

    Attributes:
        suite: its name; None where cases were named one by one.
        sampling: of each case.
        items: the cases.
        former: whether there is a record to go on with, former.json.
    """

    schema_version: int
    suite: str | None
    sampling: Sampling
    items: tuple[Item, ...]
    former: bool


def write(task: Task, former: bool) -> tuple[bytes, dict[str, Path]]:
    """An order, and the user's files that go with it, by the names under which it knows them."""
    files: dict[Path, str] = {}
    items = tuple(_item(wanted, files) for wanted in task.wanted)
    order = Order(ORDER_VERSION, task.suite, task.sampling, items, former)
    text = json.dumps(dataclasses.asdict(order), allow_nan=False)
    return text.encode(), {name: path for path, name in files.items()}


def _item(wanted: Wanted, files: dict[Path, str]) -> Item:
    name = None
    if wanted.subject is not None:
        path = wanted.subject.files[BACKENDS[wanted.backend].suffix]
        name = files.setdefault(path, f"models/{len(files)}/{path.name}")
    known = {field.name for field in dataclasses.fields(Item)} - {"file"}
    return Item(file=name, **{key: value for key, value in vars(wanted).items() if key in known})


def read(path: Path) -> tuple[Task, bool]:
    """The task of an order, and whether a record to go on with lies beside it.

    Raises:
        UserError: it is no order of this version, or a file that it names is none.
    """
    values = schema.parse(path.read_bytes(), MAX_BYTES, "an order")
    try:
        schema.check_version(values, ORDER_VERSION)
        order: Order = schema.decode(values, Order, "order", MAX_ITEMS)
    except UserError as error:
        raise UserError(f"the wheel sent is of another edge-sr than the desk's: {error}") from None
    wanted = tuple(_wanted(item, path.parent) for item in order.items)
    return Task(order.suite, wanted, order.sampling), order.former


def _wanted(item: Item, folder: Path) -> Wanted:
    if item.backend not in BACKENDS:
        raise UserError(f"there is no runtime {item.backend!r}")
    values = {key: value for key, value in vars(item).items() if key != "file"}
    found = None if item.file is None else subject.open_file(folder / item.file)
    return Wanted(**values, subject=found)
