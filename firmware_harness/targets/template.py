"""Files with @NAME@ in their text and in their own names, as CMake's configure_file has them."""

import re
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parent / "templates"


def fill(text: str, fields: Mapping[str, str]) -> str:
    """The text with every @NAME@ replaced; a KeyError if one is not among the fields."""
    return re.sub("@([A-Z_]+)@", lambda name: fields[name[1]], text)


def fill_folder(source: str, target: Path, fields: Mapping[str, str]) -> None:
    """Fill all files of a folder of templates, where there is one, into the target folder."""
    for path in sorted((FOLDER / source).rglob("*")):
        if path.is_file():
            place = target / fill(path.relative_to(FOLDER / source).as_posix(), fields)
            place.parent.mkdir(parents=True, exist_ok=True)
            write_text(place, fill(path.read_text(encoding="utf-8"), fields))


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 with the line ends of Unix on every system: the same bytes everywhere."""
    path.write_text(text, encoding="utf-8", newline="\n")
