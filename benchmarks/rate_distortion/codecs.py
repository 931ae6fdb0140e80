"""The codecs to compare, behind one small interface."""

import hashlib
import io
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import PIL
from PIL import Image, features

from benchmarks.rate_distortion import order0
from edge_sr.codec import codec, container, opening
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
        setting: number of planes, or quality.
        size: of the file, bytes.
        pixels: uint8, of the original's shape.
        latents: None for formats.
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

    def code(self, pixels: np.ndarray, settings: Sequence[int]) -> Iterator[Coded]:
        """Code an image, uint8 (H, W) or (H, W, 3), with each setting."""
        ...


class TinyCompress:
    """A network with our coder; its settings are the number of planes, 1 to 8."""

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

    def code(self, pixels: np.ndarray, settings: Sequence[int]) -> Iterator[Coded]:
        """Code an image; the network encodes it once."""
        file = container.unpack(codec.compress(pixels, self._network, kind=self._kind))
        samples = coder.decode(file.segments, file.header.shape)
        for planes in settings:
            segments = file.segments[:planes]
            data = container.assemble(file.header, segments)
            decoded = codec.decompress(data, self._network)
            yield Coded(planes, len(data), decoded.pixels, latent_bits(samples, segments))


def open_networks(models: Sequence[str], rates: Container[int]) -> list[TinyCompress]:
    """Open codecs, each in float32 and int8 where it has both parts.

    Args:
        models: shipped codecs, or folders with an encoder and a decoder; empty: all shipped codecs.
        rates: to select.

    Raises:
        UserError: a codec is unknown, or none has one of the rates.
    """
    names = models or [entry.id for entry in catalog.entries("codec")]
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
    # The engine contains the coder and the int8 kernels.
    contents = [*(part.read_bytes() for part in parts), build.library_name().encode()]
    digest = hashlib.sha256(b"".join(contents)).hexdigest()
    opened = opening.find(model=name, int8=kind == "int8")
    return TinyCompress(opened, digest[:HASH_DIGITS])


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
    "jpeg-444": _Format("JPEG", "libjpeg_turbo", 1, {"subsampling": 0}),
    "webp": _Format("WEBP", "webp", 0, {}),
    "avif": _Format("AVIF", "avif", 0, {}),
}
FORMATS = ("jpeg", "webp", "avif")
"""The formats that a network is compared with."""

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
        self.identity = f"Pillow {PIL.__version__} {library} {features.version(library)}"

    def code(self, pixels: np.ndarray, settings: Sequence[int]) -> Iterator[Coded]:
        """Code an image."""
        for quality in settings:
            file = self.encode(pixels, quality)
            with Image.open(io.BytesIO(file)) as image:
                mode = "L" if pixels.ndim == 2 else "RGB"
                yield Coded(quality, len(file), np.asarray(image.convert(mode)))

    def encode(self, pixels: np.ndarray, quality: int) -> bytes:
        """Return the file of an image."""
        file = io.BytesIO()
        Image.fromarray(pixels).save(
            file, self._format.pillow, quality=quality, **self._format.options
        )
        return file.getvalue()
