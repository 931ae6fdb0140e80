"""Fill templates: files with @NAME@ in their text and names, as for CMake's configure_file."""

import re
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parent / "templates"


def fill(text: str, fields: Mapping[str, str]) -> str:
    """Return the text with every @NAME@ replaced; a name without a field raises KeyError."""
    return re.sub("@([A-Z_]+)@", lambda name: fields[name[1]], text)


def fill_folder(source: str, target: Path, fields: Mapping[str, str]) -> None:
    """Fill the templates of a folder, if it exists, and write them into the target folder."""
    for path in sorted((FOLDER / source).rglob("*")):
        if path.is_file():
            place = target / fill(path.relative_to(FOLDER / source).as_posix(), fields)
            place.parent.mkdir(parents=True, exist_ok=True)
            write_text(place, fill(path.read_text(encoding="utf-8"), fields))


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 with Unix line ends, so that every system writes the same bytes."""
    path.write_text(text, encoding="utf-8", newline="\n")
