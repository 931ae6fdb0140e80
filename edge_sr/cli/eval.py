"""`edge-sr eval`: measures the quality of a network, and of bicubic, on images."""

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_sr.cli import eval_classifier
from edge_sr.cli.classify import LabelsOption
from edge_sr.cli.common import (
    ForceOption,
    InputRangeOption,
    Int8Option,
    OutputRangeOption,
    PerChannelOption,
    RuntimeOption,
    ScaleOption,
    ThreadsOption,
    parse_path,
    precision_of,
    progress,
    quality_text,
    range_of,
)
from edge_sr.cli.json_csv import (
    CsvOption,
    JsonOption,
    check_files,
    write_json,
    write_text,
)
from edge_sr.cli.options import complete_upscaler
from edge_sr.cli.streams import STANDARD
from edge_sr.errors import UserError
from edge_sr.zoo.catalog import DEFAULT_MODEL, DEFAULT_SCALE

if TYPE_CHECKING:
    from edge_sr.data.datasets import Pair
    from edge_sr.evaluate import PlaneUpscaler, Record, Score
    from edge_sr.runtime.session import Session

BICUBIC = "bicubic"


def complete_evaluated(incomplete: str) -> list[str]:
    """Complete the name of a shipped upscaler, or "bicubic"."""
    return [
        name for name in (BICUBIC, *complete_upscaler(incomplete)) if name.startswith(incomplete)
    ]


@dataclass(frozen=True)
class Row:
    """The records of one method: a network in a runtime, or bicubic."""

    method: str
    records: "list[Record]"


def evaluate(
    data: Annotated[
        Path,
        typer.Option(
            parser=parse_path,
            metavar="PATH",
            help="Folder of images: plain, hr/ and lr_x2/, or laid out as DIV2K, FLIR or OSU; of "
            "a classifier: a folder of class folders, or an .npz file.",
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            autocompletion=complete_evaluated,
            help="Id of a shipped network, a .tflite, .onnx or .safetensors file, or 'bicubic'; "
            "a classifier's .tflite or .onnx file.",
            show_default=f"{DEFAULT_MODEL}-x{DEFAULT_SCALE}",
        ),
    ] = None,
    scale: ScaleOption = None,
    runtime: RuntimeOption = None,
    int8: Int8Option = None,
    threads: ThreadsOption = None,
    input_range: InputRangeOption = None,
    output_range: OutputRangeOption = None,
    per_channel: PerChannelOption = False,
    border: Annotated[
        int | None,
        typer.Option(min=0, help="Pixels cropped from each side.", show_default="the scale"),
    ] = None,
    labels: LabelsOption = None,
    json_file: JsonOption = None,
    csv_file: CsvOption = None,
    force: ForceOption = False,
) -> None:
    """Measure PSNR, SSIM and MS-SSIM of an upscaler on images, or the accuracy of a classifier.

    The luma of 8-bit images is compared, with a border of `scale` pixels cropped. A folder without
    low-resolution images has them made by antialiased bicubic reduction. FLIR and OSU are measured
    on the images that the slides of TinyPSSR (Chiapputo & Bailey) use, and their published figures
    are printed too; they crop 4 pixels (--border 4).

    Of a classifier the share of images is printed whose class is the most probable one (top 1), and
    among the five most probable (top 5). The sorted class folders are the classes, unless --labels
    names them.
    """
    from edge_sr.data import thermal
    from edge_sr.data.datasets import find_pairs
    from edge_sr.zoo import published
    from edge_sr.zoo.artifact import check_options, open_upscaler
    from edge_sr.zoo.classifiers import is_classifier

    if model is not None and is_classifier(model):
        given = {
            "--scale": scale is not None,
            "--int8 or --float32": int8 is not None,
            "--per-channel": per_channel,
            "--border": border is not None,
            "--output-range": output_range is not None,
        }
        eval_classifier.refuse_options(model, given)
        check_files(force, json_file, csv_file)
        request = eval_classifier.Request(model, data, labels, runtime, threads, input_range)
        return eval_classifier.evaluate(request, json_file, csv_file)
    if model != BICUBIC:
        check_options(model, scale, runtime, precision_of(int8), threads)
    check_files(force, json_file, csv_file)
    if labels is not None:
        raise UserError(f"--labels is for classifiers; {model or DEFAULT_MODEL} is not one")
    name, session = BICUBIC, None
    if model == BICUBIC:
        scale = _bicubic_scale(scale, runtime, int8, threads, input_range, output_range)
    else:
        precision, ranges = precision_of(int8), (range_of(input_range), range_of(output_range))
        artifact, session = open_upscaler(model, scale, runtime, precision, threads, *ranges)
        name, scale = f"{artifact.name} ({artifact.runtime})", session.scale
    border = scale if border is None else border
    pairs = find_pairs(data, scale, for_test=True)
    rows = run(name, session, pairs, scale, per_channel, border)
    about = {"data": str(data), "scale": scale, "per_channel": per_channel, "border": border}
    layout = thermal.find(data)
    about["published"] = published.results_on(layout.name, scale) if layout else []
    _print_and_write(rows, about, json_file, csv_file)


def _bicubic_scale(
    scale: int | None,
    runtime: str | None,
    int8: bool | None,
    threads: int | None,
    *ranges: str | None,
) -> int:
    if any(option is not None for option in (runtime, int8, threads, *ranges)):
        raise UserError(
            "bicubic takes no --runtime, --int8, --float32, --threads, --input-range or "
            "--output-range; leave them out"
        )
    return DEFAULT_SCALE if scale is None else scale


def run(
    name: str,
    session: "Session | None",
    pairs: "list[Pair]",
    scale: int,
    per_channel: bool,
    border: int,
) -> list[Row]:
    """Score bicubic and a session (unless it is None) on image pairs, with a progress bar."""
    from functools import partial

    from edge_sr.data.degradation import bicubic_upscale
    from edge_sr.evaluate import evaluate as score

    methods: dict[str, Session | PlaneUpscaler] = {BICUBIC: partial(bicubic_upscale, scale=scale)}
    if session is not None:
        methods[name] = session
    rows = []
    for method, upscaler in methods.items():
        records = score(upscaler, pairs, scale, per_channel, border)
        rows.append(Row(method, list(progress(records, method, len(pairs)))))
    return rows


def _print_and_write(
    rows: list[Row], about: dict[str, Any], json_file: Path | None, csv_file: Path | None
) -> None:
    if STANDARD not in (json_file, csv_file):
        print_table(rows, about)
    if json_file is not None:
        write_json(json_file, as_values(rows, about))
    if csv_file is not None:
        write_text(csv_file, as_csv(rows))


def as_values(rows: list[Row], about: dict[str, Any]) -> dict[str, Any]:
    """Return the rows as values for JSON; an infinite PSNR (identical images) becomes None."""
    from edge_sr.evaluate import mean

    methods = [
        {
            "method": row.method,
            "mean": _figures(mean(row.records)),
            "images": [
                {
                    "name": record.name,
                    "height": record.height,
                    "width": record.width,
                    **_figures(record.score),
                }
                for record in row.records
            ],
        }
        for row in rows
    ]
    return {**about, "methods": methods}


def _figures(score: "Score") -> dict[str, float | None]:
    psnr = score.psnr if math.isfinite(score.psnr) else None
    return {"psnr": psnr, "ssim": score.ssim, "ms_ssim": score.ms_ssim}


def as_csv(rows: list[Row]) -> str:
    """Return the rows as CSV: a line for each method and image, and one "mean" for each method."""
    from edge_sr.evaluate import mean

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", "image", "height", "width", "psnr", "ssim", "ms_ssim"])
    for row in rows:
        for item in row.records:
            writer.writerow([row.method, item.name, item.height, item.width, *_cells(item.score)])
        writer.writerow([row.method, "mean", "", "", *_cells(mean(row.records))])
    return text.getvalue()


def _cells(score: "Score") -> list[str]:
    ms_ssim = "" if score.ms_ssim is None else f"{score.ms_ssim:.6f}"
    return [f"{score.psnr:.4f}", f"{score.ssim:.6f}", ms_ssim]


def print_table(rows: list[Row], about: dict[str, Any]) -> None:
    """Print PSNR / SSIM / MS-SSIM: a line for each image, a column for each method; the means."""
    from rich.console import Console
    from rich.table import Table

    from edge_sr.evaluate import mean

    table = Table(title=f"{about['data']} x{about['scale']}: PSNR dB / SSIM / MS-SSIM")
    table.add_column("image")
    for row in rows:
        table.add_column(row.method, justify="right")
    for records in zip(*(row.records for row in rows), strict=True):
        table.add_row(records[0].name, *(_cell(record.score) for record in records))
    table.add_section()
    table.add_row("mean", *(_cell(mean(row.records)) for row in rows))
    Console().print(table)
    for result in about["published"]:
        typer.echo(f"{result['name']}: {quality_text(result)}")


def _cell(score: "Score") -> str:
    ms_ssim = "-" if score.ms_ssim is None else f"{score.ms_ssim:.4f}"
    return f"{score.psnr:.2f} / {score.ssim:.4f} / {ms_ssim}"
