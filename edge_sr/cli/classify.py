"""`edge-sr classify`: the most probable classes of images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_sr.cli.common import (
    ForceOption,
    InputRangeOption,
    ThreadsOption,
    parse_path,
    progress,
    range_of,
)
from edge_sr.cli.json_csv import JsonOption, check_files, write_json
from edge_sr.cli.streams import STANDARD

if TYPE_CHECKING:
    from edge_sr.classification import ClassScore
    from edge_sr.runtime.session import Session

LabelsOption = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        metavar="FILE",
        parser=parse_path,
        help="Names of the classes, one a line, in the order of the output.",
        show_default=False,
    ),
]


def classify(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A classifier, .tflite or .onnx.")],
    images: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGE...", parser=parse_path, help="Images of any size."),
    ],
    labels: LabelsOption = None,
    top: Annotated[int, typer.Option(min=1, help="Number of classes to print.")] = 5,
    runtime: Annotated[
        str | None,
        typer.Option(
            help="Runtime: litert, onnx, tflm or engine.",
            show_default="litert, or the one for the file's suffix",
        ),
    ] = None,
    threads: ThreadsOption = None,
    input_range: InputRangeOption = None,
    json_file: JsonOption = None,
    force: ForceOption = False,
) -> None:
    """Print the most probable classes of images.

    An image is converted to gray or RGB and resized to the model's size (Pillow's bilinear filter
    with antialiasing; the aspect ratio is not kept). Scores are percentages: the output itself
    where the model ends in a softmax or a sigmoid, else the softmax of the output.
    """
    from edge_sr.classification import best, class_percents, classes_of, read_labels
    from edge_sr.data.images import read_image
    from edge_sr.zoo.classifiers import open_named

    check_files(force, json_file)
    session = open_named(model, runtime, threads, range_of(input_range))
    names = None if labels is None else read_labels(labels, classes_of(session).count)
    results = [
        (path, best(class_percents(session, read_image(path).pixels), top, names))
        for path in progress(images, "classifying", len(images))
    ]
    if json_file != STANDARD:
        for path, scores in results:
            typer.echo(_text(path, scores))
    if json_file is not None:
        write_json(json_file, _as_values(model, session, results))


def _text(path: Path, scores: "list[ClassScore]") -> str:
    return "\n".join([f"{path}", *(f"{score.percent:7.2f} %  {score.label}" for score in scores)])


def _as_values(
    model: str, session: "Session", results: "list[tuple[Path, list[ClassScore]]]"
) -> dict[str, Any]:
    from edge_sr.classification import classes_of

    classes = classes_of(session)
    return {
        "model": model,
        "runtime": session.runtime,
        "classes": classes.count,
        "activation": classes.activation,
        "images": [
            {
                "image": str(path),
                "scores": [
                    {"index": score.index, "label": score.label, "percent": score.percent}
                    for score in scores
                ],
            }
            for path, scores in results
        ],
    }
