"""Runs a command on a folder: each file below it becomes a file below another folder."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_sr.cli.common import progress, say
from edge_sr.errors import UserError
from edge_sr.files import check_folder, make_folder


@dataclass(frozen=True)
class Task:
    """What a command does with each file.

    Attributes:
        doing: label of the progress bar, "upscaling".
        done: word for messages, "upscaled".
        suffix: suffix of the files that are written.
        find: returns the input files below a folder.
        work: writes an output file from an input file; returns a note for the user, or None.
        what: name of an input file for messages, "image".
        article: article of that name.
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
        UserError: `target` is a file or named like one, the source itself, or not writable.
    """
    from edge_sr.data.image_formats import READ_SUFFIXES

    if target.is_file():
        raise UserError(f"{target} is a file; name a folder, as {source} is one")
    if not target.is_dir() and target.suffix.lower() in (*READ_SUFFIXES, ".tcz"):
        raise UserError(f"{target} is the name of a file; name a folder, as {source} is one")
    if target.is_dir() and target.samefile(source):
        raise UserError(f"input and output are both {source}; name two folders")
    check_folder(target)


def run_folder(source: Path, target: Path, force: bool, task: Task) -> None:
    """Run the task on all files below a folder; continue after a bad one.

    Raises:
        UserError: there is no input, an output exists, or, at the end, some file failed.
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
    """Return the input files with their output files; print a note on skipped files."""
    files = [path for path in task.find(source) if not path.is_relative_to(target)]
    if not files:
        raise UserError(f"{source} holds no {task.what} outside {target}")
    say(_skipped_note(source, target, set(files), task))
    return _with_outputs(files, source, target, task.suffix)


def _skipped_note(source: Path, target: Path, files: set[Path], task: Task) -> str | None:
    """Return one sentence on the skipped files below `source`, hidden ones excepted; or None."""
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


def _with_outputs(
    files: list[Path], source: Path, target: Path, suffix: str
) -> list[tuple[Path, Path]]:
    """Return each file with its output; a.jpg and a.bmp become a.jpg.png and a.bmp.png."""
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
