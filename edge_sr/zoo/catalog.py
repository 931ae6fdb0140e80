"""Answers "which network is meant?" for every command and script.

A network has one id, used in folders, records, suites, options and messages:

    tinypssr-x2               an upscaler: model and scale
    tinycompress-16           a codec: its rate, or another word ("rd")
    cae-low                   a codec with qualities instead of a rate
    tinycompress-16/encoder   one part of a codec

`resolve` turns an id, a file or a folder into a `Network`. It also reads the shorter spellings that
users type: a model with a scale ("tinypssr", 2), a codec with a rate ("tinycompress-encoder", 16),
and the spelling of older records ("tinypssr x2").
"""

import difflib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from edge_sr.errors import UserError
from edge_sr.models import registry
from edge_sr.zoo import card as cards
from edge_sr.zoo.card import Card

FOLDER = Path(__file__).parent

DEFAULT_MODEL = "tinypssr-anchor"
"""The best network of 1,356 parameters, in float32 and in int8."""

DEFAULT_SCALE = 2
DEFAULT_RATE = 16
CODEC = "tinycompress"
LEARNED = "cae"
"""The codecs whose ids begin so have qualities; `--model cae` takes the one of each quality."""

DEFAULT_CODEC = LEARNED
"""The codec of `edge-sr compress` where no option names one; if not shipped, TinyCompress."""

CONTEXT = "context.safetensors"
"""The file of a codec with qualities that predicts its symbols."""

SUFFIXES = (".tflite", ".onnx", ".safetensors")
"""Of files that hold a network."""

_FILES = f"a {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file"
_MAX_LISTED = 8
"""Ids that a message lists; it points to `edge-sr models` instead where there are more."""

Kind = Literal["super-resolution", "codec"]
Part = Literal["upscaler", "encoder", "decoder"]
Precision = Literal["int8", "float32"]

PRECISIONS: tuple[Precision, ...] = ("float32", "int8")
CODEC_PARTS: tuple[Part, ...] = ("encoder", "decoder")


@dataclass(frozen=True)
class Entry:
    """A network in a folder: a shipped one, or a user's own codec in a folder of the same layout.

    Attributes:
        folder: `float.safetensors`, `int8.safetensors`, `card.toml`, and ready files: of an
            upscaler `{float32,int8}.{tflite,onnx}`, of a codec
            `{encoder,decoder}-{float32,int8}.tflite`; of one with qualities
            `context.safetensors`, too.
    """

    folder: Path

    @property
    def id(self) -> str:
        """Its name everywhere: the folder's name."""
        return self.folder.name

    @property
    def is_shipped(self) -> bool:
        """Whether it comes with edge-sr."""
        return self.folder.parent == FOLDER

    @property
    def kind(self) -> Kind:
        """What it does."""
        return "super-resolution" if (self.folder / "int8.tflite").is_file() else "codec"

    @property
    def model(self) -> str:
        """The id without the scale of an upscaler: "tinypssr-anchor", "tinycompress-16"."""
        return self.id.rpartition("-x")[0] if self.kind == "super-resolution" else self.id

    @property
    def parts(self) -> tuple[Part, ...]:
        """The networks in it."""
        return ("upscaler",) if self.kind == "super-resolution" else CODEC_PARTS

    @property
    def architecture(self) -> str:
        """Name of the registered architecture."""
        return self.card.model

    @property
    def scale(self) -> int:
        """Of an upscaler."""
        assert self.card.scale is not None
        return self.card.scale

    @property
    def rate(self) -> int:
        """Of TinyCompress: pixels per latent sample of a channel."""
        assert self.card.rate is not None
        return self.card.rate

    @property
    def has_qualities(self) -> bool:
        """Whether it is a codec with qualities, not one with a rate and bit planes."""
        return (self.folder / CONTEXT).is_file()

    @property
    def thermal(self) -> bool:
        """Whether it was trained for thermal images, and is judged by them."""
        return "infrared" in self.card.scores("int8")

    @cached_property
    def card(self) -> Card:
        """Its card: recipe, data, seed, steps, measured quality."""
        return cards.read(self.folder / "card.toml")

    def checkpoint(self, precision: str) -> Path:
        """Its weights (.safetensors): "float32", or "int8" with ranges from QAT."""
        return self.folder / f"{'int8' if precision == 'int8' else 'float'}.safetensors"

    def file(self, precision: str, suffix: str = ".tflite", part: str = "upscaler") -> Path:
        """A ready file.

        Args:
            precision: "int8" or "float32".
            suffix: ".tflite", or of an upscaler ".onnx".
            part: "upscaler", or of a codec "encoder" or "decoder".
        """
        name = precision if part == "upscaler" else f"{part}-{precision}"
        return self.folder / f"{name}{suffix}"


@dataclass(frozen=True)
class Network:
    """What a name means.

    Attributes:
        id: "tinypssr-x2", "tinycompress-16", "tinycompress-16/encoder", or the file's name.
        entry: the folder that it lies in; None for a single file.
        part: "upscaler", "encoder" or "decoder"; None for a whole codec, and for a file, which says
            what it is when it is opened.
        path: the single file; None where there is an entry.
    """

    id: str
    entry: Entry | None = None
    part: Part | None = None
    path: Path | None = None


def rates() -> tuple[int, ...]:
    """The rates that a codec can have: pixels per latent sample of a channel."""
    from edge_sr.models.tinycompress import RATES  # numpy, which `edge-sr --help` does without

    return RATES


def entries(kind: Kind | None = None) -> list[Entry]:
    """The shipped networks: upscalers by model and scale, then codecs by rate, then others."""
    found = [Entry(card.parent) for card in FOLDER.glob("*/card.toml")]
    upscalers = [entry for entry in found if entry.kind == "super-resolution"]
    codecs = [entry for entry in found if entry.kind == "codec"]
    upscalers.sort(key=lambda entry: (entry.model, entry.scale))
    codecs.sort(key=lambda entry: (entry.has_qualities, entry.card.rate or 0, entry.id))
    return [entry for entry in (*upscalers, *codecs) if kind in (None, entry.kind)]


def ids(kind: Kind | None = None) -> list[str]:
    """Ids of the shipped networks."""
    return [entry.id for entry in entries(kind)]


def find(name: str) -> Entry:
    """The shipped network of an id.

    Raises:
        UserError: the id is not that of a shipped network.
    """
    entry = _shipped(name)
    if entry is None:
        raise UserError(f"no shipped network is named {name!r}; {_available(entries())}")
    return entry


def identify(name: str) -> tuple[str, Kind]:
    """The id and the kind of a network of edge-sr, whether or not edge-sr has its weights.

    Raises:
        UserError: the name is neither `<model>-x<scale>` nor `tinycompress-<rate>`.
    """
    spelling = name.replace(" x", "-x")
    entry = _shipped(spelling)
    if entry is not None:
        return entry.id, entry.kind
    if spelling in {f"{CODEC}-{rate}" for rate in rates()}:
        return spelling, "codec"
    model, _, scale = spelling.rpartition("-x")
    if model in registry.names("super-resolution") and scale.isdecimal():
        return spelling, "super-resolution"
    raise UserError(f"unknown network {name!r}; an id looks like 'tinypssr-x2' or 'tinycompress-4'")


def resolve(
    name: str | None = None,
    scale: int | None = None,
    rate: int | None = None,
    kind: Kind | None = None,
) -> Network:
    """The network that a name, with a scale or a rate, means.

    A shipped id goes before a file or folder of the same name; "./tinypssr-x2" means the folder.

    Args:
        name: an id, the name of a model or codec, a file (.tflite, .onnx, .safetensors), or the
            folder of a codec; None for the default network.
        scale: of an upscaler; None for what the name says, else 2. Files are not opened here: the
            caller compares their scale.
        rate: of a codec; None for what the name says, else 16.
        kind: what must be meant; a codec may then be named by its rate alone ("16", "rd").

    Raises:
        UserError: no network has that name, or the options contradict the name.
    """
    if name is None:
        default = f"{CODEC}-{_rate(rate)}" if kind == "codec" else DEFAULT_MODEL
        return resolve(default, scale, None if kind == "codec" else rate, kind)
    network = _by_id(name, scale, rate, kind)
    if network is None:
        network = _on_disk(name, kind)
    if network is None:
        raise UserError(_unknown(name, scale, rate, kind))
    _check(network, name, scale, rate, kind)
    return network


def _by_id(name: str, scale: int | None, rate: int | None, kind: Kind | None) -> Network | None:
    """The shipped network that a spelling means."""
    base, part = split_part(name)
    if base == CODEC:
        base = f"{CODEC}-{_rate(rate)}"
    spellings = [base, base.replace(" x", "-x")]
    if kind != "codec":
        spellings += [f"{base}-x{scale}"] if scale is not None else _default_scale(base)
    if kind == "codec":
        spellings.append(f"{CODEC}-{base}")
    entry = next((found for each in spellings if (found := _shipped(each))), None)
    if entry is None or (part is not None and entry.kind != "codec"):
        return None
    if entry.kind == "super-resolution":
        return Network(entry.id, entry, "upscaler")
    return Network(entry.id if part is None else f"{entry.id}/{part}", entry, part)


def split_part(name: str) -> tuple[str, Part | None]:
    """ "tinycompress-16/encoder" and "tinycompress-16-encoder" as the codec and the part."""
    for part in CODEC_PARTS:
        for separator in ("/", "-"):
            if name.endswith(f"{separator}{part}") and name.startswith((CODEC, LEARNED)):
                return name.removesuffix(f"{separator}{part}"), part
    return name, None


def _default_scale(model: str) -> list[str]:
    """The id of a model whose scale was left open: x2, or its one shipped scale."""
    scales = [entry.scale for entry in entries("super-resolution") if entry.model == model]
    scales.sort(key=lambda each: each != DEFAULT_SCALE)
    return [f"{model}-x{each}" for each in scales[:1]]


def _shipped(name: str) -> Entry | None:
    folder = FOLDER / name
    plain = name not in ("", ".", "..") and os.sep not in name and "/" not in name
    return Entry(folder) if plain and (folder / "card.toml").is_file() else None


def _rate(rate: int | None) -> int:
    """The rate that is meant, which must exist."""
    if rate not in (None, *rates()):
        raise UserError(f"no rate {rate}; available: {', '.join(map(str, rates()))}")
    return DEFAULT_RATE if rate is None else rate


def _on_disk(name: str, kind: Kind | None) -> Network | None:
    """A file or folder that is named; a file may be missing, which its reader says."""
    path = Path(name)
    if path.suffix.lower() in SUFFIXES:
        return Network(path.name, path=path)
    if name and path.is_dir():
        entry = Entry(path.resolve())
        if any(entry.file(p, part=each).is_file() for p in PRECISIONS for each in entry.parts):
            return Network(entry.id, entry, "upscaler" if entry.kind != "codec" else None)
        if kind == "super-resolution":
            raise UserError(f"{name} is a folder without an upscaler; name an id or {_FILES}")
        raise UserError(
            f"{name} is a folder without a network; a codec's folder holds encoder-int8.tflite "
            "and decoder-int8.tflite, or the same two as float32"
        )
    if path.is_file():
        raise UserError(f"{name} is not a model; name {_FILES}")
    base, separator, _ = name.partition("/")
    shipped = _shipped(base)
    if separator and shipped is not None:
        names = [base, *(f"{base}/{part}" for part in shipped.parts if part != "upscaler")]
        raise UserError(f"unknown network {name!r}; did you mean {_either(names)}?")
    if os.sep in name and not _close(name, kind):
        raise UserError(f"{name} is not a model; name {_FILES}")
    return None


def _unknown(name: str, scale: int | None, rate: int | None, kind: Kind | None) -> str:
    """Why nothing of that name is known."""
    codec, _ = split_part(name)
    if codec == CODEC or codec.removeprefix(f"{CODEC}-") in map(str, rates()):
        missing = f"{CODEC}-{_rate(rate)}" if codec == CODEC else codec
        return f"edge-sr has no weights of {missing}; {_available(entries('codec'))}"
    shipped_scales = [entry for entry in entries() if entry.model == name]
    if shipped_scales or name in registry.names():
        if kind == "codec":
            return f"{name} is not a codec; {_available(entries(kind))}"
        architecture = shipped_scales[0].architecture if shipped_scales else name
        requested = DEFAULT_SCALE if scale is None else scale
        if registry.get(architecture).kind == "super-resolution":
            registry.get(architecture).config(requested)
            listed = _available(shipped_scales or entries(kind))
            return f"edge-sr has no weights of {name}-x{requested}; {listed}"
    close = _close(name, kind)
    if close:
        return f"unknown network {name!r}; did you mean {close}?"
    how = "a folder of that layout" if kind == "codec" else _FILES
    return f"unknown network {name!r}; {_available(entries(kind))}, or name {how}"


def _available(known: list[Entry]) -> str:
    """The ids, or where to read them if they are many."""
    if len(known) > _MAX_LISTED:
        return "`edge-sr models` lists the shipped ones"
    return f"available: {', '.join(entry.id for entry in known) or 'none'}"


def _close(name: str, kind: Kind | None) -> str | None:
    """The id, or the name of a model, that is nearest to a misspelt one; None if all are far."""
    known = entries(kind)
    names = [entry.id for entry in known]
    names += [f"{entry.id}/{part}" for entry in known if "/" in name for part in entry.parts]
    names += [entry.model for entry in known]
    spelling = name.lower().replace("_", "-").replace(" ", "-")
    return next(iter(difflib.get_close_matches(spelling, names, 1, 0.8)), None)


def _either(names: list[str]) -> str:
    """ "a", "a or b", "a, b or c"."""
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _check(
    network: Network, name: str, scale: int | None, rate: int | None, kind: Kind | None
) -> None:
    """Refuse options that contradict the name."""
    entry = network.entry
    if entry is None:
        return
    if kind is not None and entry.kind != kind:
        what = "a codec" if kind == "codec" else "an upscaler"
        raise UserError(f"{entry.id} is not {what}; {_available(entries(kind))}")
    if entry.kind == "super-resolution":
        if rate is not None:
            raise UserError(f"{entry.id} is an upscaler, which has no rate; leave --rate out")
        if scale not in (None, entry.scale):
            raise UserError(f"{name} upscales x{entry.scale}, not x{scale}")
        return
    if scale is not None:
        raise UserError(f"{entry.id} is a codec, which has no scale; leave --scale out")
    if rate is not None and entry.has_qualities:
        raise UserError(f"{entry.id} has qualities, and no rate; leave --rate out")
    if rate is not None and entry.is_shipped and rate != entry.rate:
        raise UserError(f"{entry.id} has rate {entry.rate}, not {rate}")
