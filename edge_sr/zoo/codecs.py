"""Shipped codecs: a folder `tinycompress-<rate>` or `tinycompress-rd` each.

It holds a card (card.toml), float.safetensors and int8.safetensors, and each part of the codec as a
.tflite: `{encoder,decoder}-{float32,int8}.tflite`.
"""

import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from edge_sr import zoo
from edge_sr.errors import UserError

PREFIX = "tinycompress-"


@dataclass(frozen=True)
class Codec:
    """A codec's folder, shipped or a user's own."""

    folder: Path

    @property
    def name(self) -> str:
        """What people call it."""
        return self.folder.name

    def part(self, part: str, kind: str) -> Path:
        """A ready file: part "encoder" or "decoder", kind "int8" or "float32"."""
        return self.folder / f"{part}-{kind}.tflite"

    @cached_property
    def card(self) -> dict[str, Any]:
        """Its card: recipe, data, seed, steps, rate, measured quality."""
        return tomllib.loads((self.folder / "card.toml").read_text(encoding="utf-8"))


def entries() -> list[Codec]:
    """All shipped codecs, sorted by rate and name."""
    found = [Codec(card.parent) for card in zoo.FOLDER.glob(f"{PREFIX}*/card.toml")]
    return sorted(found, key=lambda codec: (codec.card["rate"], codec.name))


def find(name: str) -> Codec:
    """The shipped codec of that name, with or without "tinycompress-".

    Raises:
        UserError: there is none.
    """
    found = {codec.name: codec for codec in entries()}
    codec = found.get(name) or found.get(f"{PREFIX}{name}")
    if codec is None:
        raise UserError(f"no codec {name!r} is shipped; there are {', '.join(found) or 'none'}")
    return codec
