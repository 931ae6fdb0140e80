"""The codecs to compare, behind one small interface."""

import hashlib
import io
import math
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import PIL
from PIL import Image, features

from benchmarks.rate_distortion import order0
from edge_sr.codec import codec, container, learned, opening
from edge_sr.codec.autoencoder import Ladder
from edge_sr.codec.network import Network
from edge_sr.codec.planes import BITS
from edge_sr.codec.quantizer import Kind
from edge_sr.engine import build, coder
from edge_sr.errors import UserError
from edge_sr.zoo import catalog

HASH_DIGITS = 16
"""Hexadecimal digits of a SHA-256 in records."""


@dataclass(frozen=True)
class LatentBits:
    """Bits of an image's latents: see `records.Record`."""

    raw: float
    static: float
    adaptive: float
    coded: float


@dataclass(frozen=True)
class Coded:
    """A coded image and its decoded pixels.

    Attributes:
        setting: number of planes, quality, or quality of a `Learned` in tenths.
        size: of the file, bytes.
        pixels: uint8, of the original's shape.
        latents: None for formats and `Learned`.
    """

    setting: int
    size: int
    pixels: np.ndarray
    latents: LatentBits | None = None


class Codec(Protocol):
    """A codec to measure.

    Attributes:
        name: in records and tables.
        identity: of its software: differs where its files or images may differ.
    """

    name: str
    identity: str

    @property
    def settings(self) -> range:
        """All settings, from small files to large ones."""
        ...

    def size(self, pixels: np.ndarray, setting: int) -> int:
        """Return the size of the file of an image in bytes."""
        ...

    def code(self, pixels: np.ndarray, settings: Sequence[int]) -> Iterator[Coded]:
        """Code an image, uint8 (H, W) or (H, W, 3), with each setting."""
        ...


class TinyCompress:
    """A network with our coder; its settings are the number of planes, 1 to 8."""

    settings = range(1, BITS + 1)

    def __init__(self, coding: Network, identity: str, kind: Kind = Kind.CLIPPING) -> None:
        """Wrap a network that has an encoder; `identity` is of its files, `kind` its quantizer."""
        self._network, self._kind = coding, kind
        self.name = coding.id if kind is Kind.CLIPPING else f"{coding.id}-normalized"
        self.rate = coding.rate
        self.identity = identity

    @property
    def normalized(self) -> "TinyCompress | None":
        """The same network with normalized latents; None for int8."""
        if self._network.is_int8:
            return None
        return TinyCompress(self._network, self.identity, Kind.NORMALIZATION)

    def size(self, pixels: np.ndarray, setting: int) -> int:
        """Return the size of the file of an image in bytes."""
        return len(codec.compress(pixels, self._network, setting, self._kind))

    def code(self, pixels: np.ndarray, settings: Sequence[int]) -> Iterator[Coded]:
        """Code an image; the network encodes it once."""
        file = container.unpack(codec.compress(pixels, self._network, kind=self._kind))
        samples = coder.decode(file.segments, file.header.shape)
        for planes in settings:
            segments = file.segments[:planes]
            data = container.assemble(file.header, segments)
            decoded = codec.decompress(data, self._network)
            yield Coded(planes, len(data), decoded.pixels, latent_bits(samples, segments))


class Learned:
    """A codec with qualities; its settings are the quality in tenths."""

    def __init__(self, ladder: Ladder, name: str, identity: str) -> None:
        """Wrap codecs that have encoders; `identity` is of their files."""
        self._ladder, self.name, self.identity = ladder, name, identity

    @property
    def settings(self) -> range:
        """The qualities in tenths."""
        lowest, highest = self._ladder.qualities
        return range(math.ceil(round(10 * lowest, 3)), math.floor(round(10 * highest, 3)) + 1)

    def size(self, pixels: np.ndarray, setting: int) -> int:
        """Return the size of the file of an image in bytes."""
        return len(learned.compress(pixels, self._ladder.at(setting / 10)))

    def code(self, pixels: np.ndarray, settings: Sequence[int]) -> Iterator[Coded]:
        """Code an image."""
        for setting in settings:
            coding = self._ladder.at(setting / 10)
            data = learned.compress(pixels, coding)
            yield Coded(setting, len(data), codec.decompress(data, coding.codec).pixels)


def open_learned(models: Sequence[str]) -> list[Learned]:
    """Open the codecs with qualities among some, each in float32 and int8 where it has both parts.

    Args:
        models: shipped codecs, "cae", or folders of codecs; empty: the shipped ones as one.

    Raises:
        UserError: a codec is unknown.
    """
    known = opening.has_shipped_ladder()
    names = models or ([catalog.LEARNED] if known else [])
    selected = [name for name in names if opening.has_qualities(name)]
    opened = [_open_ladder(name, kind) for name in selected for kind in catalog.PRECISIONS]
    return [each for each in opened if each is not None]


def _open_ladder(name: str, kind: str) -> Learned | None:
    entries = opening.entries_of(name)
    files = [entry.file(kind, part=part) for entry in entries for part in catalog.CODEC_PARTS]
    if not all(file.is_file() for file in files):
        return None
    identity = _identity([*files, *(entry.folder / catalog.CONTEXT for entry in entries)])
    ladder = opening.find_ladder(name, kind == "int8")
    label = name if name == catalog.LEARNED else entries[0].id
    return Learned(ladder, label if kind == "float32" else f"{label}-int8", identity)


def _identity(files: Iterable[Path]) -> str:
    """A digest of files and of the engine, which contains the coder and the int8 kernels."""
    contents = [*(file.read_bytes() for file in files), build.library_name().encode()]
    return hashlib.sha256(b"".join(contents)).hexdigest()[:HASH_DIGITS]


def open_networks(models: Sequence[str], rates: Container[int]) -> list[TinyCompress]:
    """Open TinyCompress codecs, each in float32 and int8 where it has both parts.

    Args:
        models: shipped codecs, or folders with an encoder and a decoder; empty: all shipped codecs.
            Those with qualities are left out.
        rates: to select.

    Raises:
        UserError: a codec is unknown, or none has one of the rates.
    """
    known = [entry.id for entry in catalog.entries("codec") if not entry.has_qualities]
    names = [name for name in models if not opening.has_qualities(name)] if models else known
    if not names:
        return []
    opened = [_open(name, kind) for name in names for kind in ("float32", "int8")]
    selected = [each for each in opened if each is not None and each.rate in rates]
    if not selected:
        available = ", ".join(names) or "none"
        raise UserError(f"no codec has one of these rates; available: {available}")
    return selected


def _open(name: str, kind: str) -> TinyCompress | None:
    entry = catalog.resolve(name, kind="codec").entry
    assert entry is not None  # a codec is never a single file
    parts = [entry.file(kind, part=part) for part in ("encoder", "decoder")]
    if not all(part.is_file() for part in parts):
        return None
    opened = opening.find(model=name, int8=kind == "int8")
    return TinyCompress(opened, _identity(parts))


def latent_bits(samples: np.ndarray, segments: Sequence[bytes]) -> LatentBits:
    """Return the bits of different codes for the most significant planes of latents.

    Args:
        samples: (channels, height, width) uint8.
        segments: a coded one for each plane.
    """
    planes = len(segments)
    symbols = samples >> (BITS - planes)
    return LatentBits(
        raw=planes * samples.size,
        static=sum(map(order0.static_bits, symbols)),
        adaptive=sum(order0.adaptive_bits(channel, 1 << planes) for channel in symbols),
        coded=sum(8 * len(segment) for segment in segments),
    )


@dataclass(frozen=True)
class _Format:
    """A format of Pillow: its name, its library, its lowest quality and its options."""

    pillow: str
    library: str
    least: int
    options: dict[str, Any]


BEST = 100
"""The highest quality of every format."""

# Pillow's defaults except for the quality; JPEG and AVIF then use 4:2:0, as WebP always does.
_FORMATS = {
    "jpeg": _Format("JPEG", "libjpeg_turbo", 1, {}),
    "jpeg-optimized": _Format("JPEG", "libjpeg_turbo", 1, {"optimize": True}),
    "jpeg-444": _Format("JPEG", "libjpeg_turbo", 1, {"subsampling": 0}),
    "webp": _Format("WEBP", "webp", 0, {}),
    "avif": _Format("AVIF", "avif", 0, {}),
}
FORMATS = ("jpeg", "webp", "avif")
"""The formats that a network is compared with."""

AT_EQUAL_BPP = ("jpeg-optimized", "webp", "avif")
"""The formats of the table at equal bits per pixel."""

JPEGS = ("jpeg", "jpeg-444")
"""JPEG with 4:2:0, which is Pillow's default, and with 4:4:4."""


class PhotoFormat:
    """An image format of Pillow; its settings are qualities, `least` to 100."""

    def __init__(self, name: str) -> None:
        """Choose a format.

        Raises:
            UserError: this Pillow cannot write it.
        """
        self._format = _FORMATS[name]
        self.name = name
        self.least = self._format.least
        Image.init()
        if self._format.pillow not in Image.SAVE:
            raise UserError(f"this Pillow cannot write {name}; try `pip install -U pillow`")
        library = self._format.library
        self.settings = range(self.least, BEST + 1)
        self.identity = f"Pillow {PIL.__version__} {library} {features.version(library)}"

    def code(self, pixels: np.ndarray, settings: Sequence[int]) -> Iterator[Coded]:
        """Code an image."""
        for quality in settings:
            file = self.encode(pixels, quality)
            with Image.open(io.BytesIO(file)) as image:
                mode = "L" if pixels.ndim == 2 else "RGB"
                yield Coded(quality, len(file), np.asarray(image.convert(mode)))

    def size(self, pixels: np.ndarray, setting: int) -> int:
        """Return the size of the file of an image in bytes."""
        return len(self.encode(pixels, setting))

    def encode(self, pixels: np.ndarray, quality: int) -> bytes:
        """Return the file of an image."""
        file = io.BytesIO()
        Image.fromarray(pixels).save(
            file, self._format.pillow, quality=quality, **self._format.options
        )
        return file.getvalue()
