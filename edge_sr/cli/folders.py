"""What commands on folders share: each file below one folder becomes one below another."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_sr.cli.common import progress, say
from edge_sr.errors import UserError
from edge_sr.files import check_folder, make_folder


@dataclass(frozen=True)
class Task:
    """What is done with each file.

    Attributes:
        doing: for the progress bar: "upscaling".
        done: for messages: "upscaled".
        suffix: of what is written.
        find: all files below a folder that are taken.
        work: makes one file from another, and returns what is to be said of it.
        what: the files that are taken, in one word.
        article: of that word.
    """

    doing: str
    done: str
    suffix: str
    find: Callable[[Path], list[Path]]
    work: Callable[[Path, Path], str | None]
    what: str = "image"
    article: str = "an"


def check_target(source: Path, target: Path) -> None:
    """Refuse a target that cannot take a folder's results, before any work is done.

    Raises:
        UserError: it is a file, the source itself, or not writable.
    """
    if target.is_file():
        raise UserError(
            f"{target} is a file, and {source} a folder; name a folder for what it gives"
        )
    if target.is_dir() and target.samefile(source):
        raise UserError(
            f"what is read and what is made cannot both be in {source}; name two folders"
        )
    check_folder(target)


def run_folder(source: Path, target: Path, force: bool, task: Task) -> None:
    """Do it to all files below a folder; a bad one stops no other.

    Raises:
        UserError: nothing can be done, or, at the end, something could not be.
    """
    jobs = _jobs(source, target, task)
    for _, path in jobs:
        if path.exists() and not force:
            raise UserError(f"{path} exists; --force replaces it")
    failures = 0
    for file, path in progress(jobs, task.doing, len(jobs)):
        try:
            make_folder(path.parent)
            say(task.work(file, path))
        except UserError as error:
            failures += 1
            say(str(error))
    if failures:
        raise UserError(
            f"{failures} of {len(jobs)} {task.what}s could not be {task.done}; see above"
        )


def _jobs(source: Path, target: Path, task: Task) -> list[tuple[Path, Path]]:
    """Each file with the one it becomes; says what is left out."""
    files = [path for path in task.find(source) if not path.is_relative_to(target)]
    if not files:
        raise UserError(f"{source} holds no {task.what} but those in {target}")
    say(_skipped(source, target, set(files), task))
    return _named(files, source, target, task.suffix)


def _skipped(source: Path, target: Path, files: set[Path], task: Task) -> str | None:
    """One sentence on the files below `source` that are not taken, hidden ones aside."""
    others = [
        path
        for path in sorted(source.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(source).parts)
        and not path.is_relative_to(target)
        and path not in files
    ]
    if len(others) > 1:
        return f"skipped {len(others)} files that are not {task.what}s, such as {others[0]}"
    return f"skipped {others[0]}: not {task.article} {task.what}" if others else None


def _named(files: list[Path], source: Path, target: Path, suffix: str) -> list[tuple[Path, Path]]:
    """Where each file goes; a.jpg beside a.bmp become a.jpg.png and a.bmp.png."""
    shared = Counter(file.with_suffix("") for file in files)
    return [
        (
            file,
            target
            / file.relative_to(source)
            .with_suffix("")
            .with_name((file.stem if shared[file.with_suffix("")] == 1 else file.name) + suffix),
        )
        for file in files
    ]
