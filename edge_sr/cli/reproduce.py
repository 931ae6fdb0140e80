"""`edge-sr reproduce`: repeats the papers' studies and compares with the published figures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_sr.cli.common import ForceOption, check_picture, parse_path, say
from edge_sr.cores import cores
from edge_sr.errors import UserError, require

if TYPE_CHECKING:
    from benchmarks.reproduce.drive import Executor
    from benchmarks.reproduce.pool import Outcome
    from benchmarks.reproduce.results import Results
    from benchmarks.reproduce.study import Study


def reproduce(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="A study, or a .toml file.", show_default="list all"),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(parser=parse_path, metavar="DIR", help="Folder of training images."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Run the shortened study, about an hour on two cores.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="DIR",
            help="Output folder; finished runs are reused.",
            show_default="runs/reproduce/NAME, or NAME-quick",
        ),
    ] = None,
    test_data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=DIR",
            help="Images of a test set, such as set5=DIR, or a folder of such folders; may be "
            "repeated.",
            show_default="none: its figures are missing",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Number of seeds of each row.")] = 3,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1, max=256, help="Number of parallel processes.", show_default="one per core"
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Run on a Ray cluster: HOST:PORT, auto, or local to start one here.",
        ),
    ] = None,
    reuse: Annotated[
        list[Path] | None,
        typer.Option(
            parser=parse_path,
            metavar="DIR",
            help="Output folder of another study, to reuse identical runs; may be repeated.",
            show_default=False,
        ),
    ] = None,
    table: Annotated[
        bool,
        typer.Option("--table", help="Only print the results in --out, or the shipped ones."),
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    picture: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="PATH",
            help="With --table: draw the training curves to a .png, .pdf or .svg file.",
            show_default="curves.png in --out",
        ),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Repeat a study: train every row with every seed, score the runs, print the tables.

    Each run has its own process. After Ctrl-C the same command resumes.
    """
    from benchmarks.reproduce import study as studies
    from benchmarks.reproduce.drive import stored_results

    if name is None:
        if data or out or quick or table:
            raise UserError("name a study before its options; `edge-sr reproduce` lists them")
        for known in studies.names():
            typer.echo(f"{known}: {studies.load(known).title}")
        return
    study = studies.load(name)
    folder = out or Path("runs/reproduce") / f"{study.name}{'-quick' if quick else ''}"
    if picture is not None:
        if not table:
            raise UserError("--picture needs --table; a study that runs draws into --out")
        check_picture(picture, force)
    if table:
        if data is not None:
            raise UserError("--table runs nothing; leave --data out")
        _show(study, stored_results(study, quick, out), _curves(out, picture), markdown)
        return
    if data is None:
        raise UserError("training needs images; name their folder with --data")
    if jobs is not None and ray is not None:
        raise UserError("--jobs applies to this machine only; leave it out with --ray")

    from benchmarks.reproduce.drive import Request, named_sets
    from benchmarks.reproduce.drive import reproduce as run

    sets = named_sets(study, test_data or [])
    request = Request(study, quick, seeds, folder, data, sets, reuse or [])
    try:
        results = run(request, _executor(ray, jobs), _report)
    except KeyboardInterrupt:
        say("interrupted; the same command resumes each run after its last finished epoch")
        raise typer.Exit(130) from None
    _show(study, results, _curves(folder, None), markdown)


def _executor(ray: str | None, jobs: int | None) -> "Executor":
    if ray is not None:
        from benchmarks.reproduce.cluster import Cluster

        return Cluster(ray)
    from benchmarks.reproduce.pool import Pool

    return Pool(jobs or len(cores()))


def _report(outcome: "Outcome", count: int, total: int) -> None:
    job = outcome.job
    what = "is finished"
    if outcome.error:
        # The error of the last one ends the study, and its message says why.
        what = f"failed: {outcome.error}" if count < total else "failed"
    say(f"{count} of {total}: {job.run.name} with seed {job.seed} {what}")


def _curves(folder: Path | None, picture: Path | None) -> Path | None:
    """Return the file for the training curves, or None."""
    from benchmarks.reproduce.plots import FILE

    return picture or (None if folder is None else folder / FILE)


def _show(study: "Study", results: "Results", curves: Path | None, markdown: bool) -> None:
    """Print the tables, and draw the curves into a file unless it is None."""
    from benchmarks.reproduce.tables import tables
    from edge_sr.cli.tables import show

    for table in tables(study, results):
        show(table, markdown)
    if curves is None:
        return
    try:
        require("matplotlib", "plot")
    except UserError as error:
        say(f"no curves were drawn: {error}")
        return
    from benchmarks.reproduce import plots

    if plots.draw(curves, study, results):
        say(f"{curves}")
