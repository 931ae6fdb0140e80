"""`edge-sr eval` of a classifier: its accuracy on labelled images."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from edge_sr.cli.common import progress, range_of
from edge_sr.cli.json_csv import write_json, write_text
from edge_sr.cli.streams import STANDARD
from edge_sr.errors import UserError

if TYPE_CHECKING:
    from edge_sr.classification import Prediction


@dataclass(frozen=True)
class Request:
    """Options of `edge-sr eval` that hold for a classifier."""

    model: str
    data: Path
    labels: Path | None
    runtime: str | None
    threads: int | None
    input_range: str | None


def refuse_options(model: str, given: Mapping[str, bool]) -> None:
    """Refuse options that hold for upscalers alone.

    Args:
        model: for the message.
        given: whether each option is given, by its name.

    Raises:
        UserError: an option is given.
    """
    extra = [name for name, present in given.items() if present]
    if extra:
        raise UserError(f"{model} is a classifier, which takes no {', '.join(extra)}")


def evaluate(request: Request, json_file: Path | None, csv_file: Path | None) -> None:
    """Measure a classifier, and print or write its accuracy.

    Raises:
        UserError: the model is not a classifier, or the images or labels cannot be read.
    """
    from edge_sr.classification import classes_of, predict, read_labels
    from edge_sr.data.labelled import find_labelled
    from edge_sr.zoo.classifiers import open_named

    stated = range_of(request.input_range)
    session = open_named(request.model, request.runtime, request.threads, stated)
    count = classes_of(session).count
    labels = None if request.labels is None else read_labels(request.labels, count)
    images = find_labelled(request.data, count, labels)
    rows = list(progress(predict(session, images), "classifying", len(images)))
    about = {
        "data": str(request.data),
        "model": Path(request.model).name,
        "runtime": session.runtime,
        "classes": count,
        **accuracy(rows, count),
    }
    if STANDARD not in (json_file, csv_file):
        _print(about)
    if json_file is not None:
        write_json(json_file, {**about, "predictions": [_as_values(row) for row in rows]})
    if csv_file is not None:
        write_text(csv_file, as_csv(rows))


def accuracy(rows: "list[Prediction]", count: int) -> dict[str, Any]:
    """Return the number of images, and how many are right; top 5 only of more than 5 classes."""
    from edge_sr.classification import TOP, right

    tops = {"top1": 1, "top5": TOP}
    return {"images": len(rows)} | {
        key: _share(right(rows, top), len(rows)) if top == 1 or count > top else None
        for key, top in tops.items()
    }


def _share(number: int, images: int) -> dict[str, float]:
    return {"right": number, "percent": 100 * number / images}


def _print(about: dict[str, Any]) -> None:
    typer.echo(f"{about['data']}: {about['images']} images, {about['classes']} classes")
    typer.echo(f"{about['model']} ({about['runtime']})")
    for key, name in (("top1", "top 1"), ("top5", "top 5")):
        share = about[key]
        if share is not None:
            right = f"{share['right']} of {about['images']}"
            typer.echo(f"  {name}: {share['percent']:.2f} % ({right})")


def _as_values(row: "Prediction") -> dict[str, Any]:
    return {
        "name": row.name,
        "expected": row.expected,
        "ranked": list(row.ranked),
        "percent": row.percent,
    }


def as_csv(rows: "list[Prediction]") -> str:
    """Return a line for each image: its class, the predicted one and that one's score."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "expected", "predicted", "percent"])
    for row in rows:
        writer.writerow([row.name, row.expected, row.ranked[0], f"{row.percent:.4f}"])
    return text.getvalue()
