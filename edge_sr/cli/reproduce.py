"""`edge-sr reproduce`: the papers' studies, ours beside the published figures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_sr.cli.common import ForceOption, check_picture, cores, parse_path, say
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
        typer.Option(parser=parse_path, metavar="DIR", help="Images to train on, as for train."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Shortened to about an hour on two cores.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="DIR",
            help="Folder of all runs; what is there is gone on with.",
            show_default="runs/reproduce/NAME, or NAME-quick",
        ),
    ] = None,
    test_data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=DIR",
            help="Images of a test set, such as set5=DIR; or a folder of such folders; again for "
            "more.",
            show_default="none: its figures are missing",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Runs of each row.")] = 3,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="Processes side by side.", show_default="one per core"),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Run through Ray instead: HOST:PORT, auto, or local to start one here.",
        ),
    ] = None,
    reuse: Annotated[
        list[Path] | None,
        typer.Option(
            parser=parse_path,
            metavar="DIR",
            help="The --out of another study, whose finished runs serve where they are the same; "
            "again for more.",
            show_default=False,
        ),
    ] = None,
    table: Annotated[
        bool,
        typer.Option("--table", help="Print what there is, in --out or as shipped; run nothing."),
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    picture: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="PATH",
            help="With --table: draw the training curves: .png, .pdf or .svg.",
            show_default="curves.png in --out",
        ),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Repeat a study of the papers: train every row with every seed, judge, print the table.

    Each row is a run in a process of its own. After Ctrl-C the same command goes on.
    """
    from benchmarks.reproduce import study as studies

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
            raise UserError("--picture goes with --table; a study that runs draws into --out")
        check_picture(picture, force)
    if table:
        if data is not None:
            raise UserError("--table runs nothing: leave out --data")
        _show(study, _stored(study, quick, out), _curves(out, picture), markdown)
        return
    if data is None:
        raise UserError("the runs need images to train on: name their folder with --data")
    if jobs is not None and ray is not None:
        raise UserError("--jobs is for processes of this machine: Ray knows how many it can run")

    from benchmarks.reproduce.drive import Request
    from benchmarks.reproduce.drive import reproduce as run

    sets = _sets(study, test_data or [])
    request = Request(study, quick, seeds, folder, data, sets, reuse or [])
    try:
        found = run(request, _executor(ray, jobs), _tell)
    except KeyboardInterrupt:
        say("interrupted; the same command goes on after the last whole epoch of each run")
        raise typer.Exit(130) from None
    _show(study, found, _curves(folder, None), markdown)


def _sets(study: "Study", named: list[str]) -> dict[str, Path]:
    """Folders by the names of sets."""
    found: dict[str, Path] = {}
    for text in named:
        name, equals, folder = text.partition("=")
        if equals:
            found[name] = parse_path(folder)
            continue
        below = {name: Path(text) / name for name in study.sets if (Path(text) / name).is_dir()}
        if not below:
            raise UserError(f"{text} holds none of {', '.join(study.sets)}; it is NAME=DIR")
        found = {**below, **found}
    return found


def _executor(ray: str | None, jobs: int | None) -> "Executor":
    if ray is not None:
        from benchmarks.reproduce.cluster import Cluster

        return Cluster(ray)
    from benchmarks.reproduce.pool import Pool

    return Pool(jobs or cores())


def _tell(outcome: "Outcome", count: int, total: int) -> None:
    job = outcome.job
    what = "is done"
    if outcome.error:
        # Where this is the last to end, the error that ends the study tells why.
        what = f"failed: {outcome.error}" if count < total else "failed"
    say(f"{count} of {total}: {job.run.name} with seed {job.seed} {what}")


def _stored(study: "Study", quick: bool, out: Path | None) -> "Results":
    """The results in a folder, or those that ship."""
    from benchmarks.reproduce import results
    from benchmarks.reproduce import study as studies
    from benchmarks.reproduce.drive import RESULTS

    path = studies.results_file(study.name, quick) if out is None else out / RESULTS
    if out is None and not path.exists():
        kind = "quick" if quick else "full"
        raise UserError(f"no results of the {kind} study {study.name} ship; name a folder by --out")
    found = results.read(path)
    if found.study != study.name:
        raise UserError(f"{path} holds the study {found.study}, not {study.name}")
    return found


def _curves(folder: Path | None, picture: Path | None) -> Path | None:
    """Where the training curves are drawn, if anywhere."""
    from benchmarks.reproduce.plots import FILE

    return picture or (None if folder is None else folder / FILE)


def _show(study: "Study", found: "Results", curves: Path | None, markdown: bool) -> None:
    """Tables on the terminal, and curves into a file, if there is one."""
    from benchmarks.reproduce.tables import tables
    from edge_sr.cli.tables import show

    for made in tables(study, found):
        show(made, markdown)
    if curves is None:
        return
    try:
        require("matplotlib", "plot")
    except UserError as error:
        say(f"no curves were drawn: {error}")
        return
    from benchmarks.reproduce import plots

    if plots.draw(curves, study, found):
        say(f"{curves}")
