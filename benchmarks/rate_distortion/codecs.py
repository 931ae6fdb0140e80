"""The codecs that are compared, each behind one small interface."""

import hashlib
import io
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import PIL
from PIL import Image, features

from benchmarks.rate_distortion import order0
from edge_sr.codec import codec, container, network
from edge_sr.codec.network import Network
from edge_sr.codec.planes import BITS
from edge_sr.codec.quantizer import Kind
from edge_sr.engine import build, coder
from edge_sr.errors import UserError
from edge_sr.zoo import codecs

HASH_DIGITS = 16
"""Of a file's SHA-256 that records keep, hexadecimal."""


@dataclass(frozen=True)
class LatentBits:
    """Bits of an image's latents: see `records.Record`."""

    raw: float
    static: float
    adaptive: float
    coded: float


@dataclass(frozen=True)
class Coded:
    """An image as a file, and what the file decodes to.

    Attributes:
        setting: planes kept, or quality.
        size: of the file, bytes.
        pixels: uint8, of the original's shape.
        latents: a network's alone.
    """

    setting: int
    size: int
    pixels: np.ndarray
    latents: LatentBits | None = None


class Codec(Protocol):
    """What is measured.

    Attributes:
        name: for people and records.
        identity: of what codes: changes where its files or images may.
    """

    name: str
    identity: str

    def code(self, pixels: np.ndarray, settings: Sequence[int]) -> Iterator[Coded]:
        """Code an image, uint8 (H, W) or (H, W, 3), with each setting."""
        ...


class TinyCompress:
    """A network with our coder; its settings are the planes kept, 1 to 8."""

    def __init__(self, coding: Network, identity: str, kind: Kind = Kind.CLIPPING) -> None:
        """Take a network that has an encoder; `identity` names its files, `kind` its quantizer."""
        self._network, self._kind = coding, kind
        self.name = coding.id if kind is Kind.CLIPPING else f"{coding.id}-normalized"
        self.rate = coding.rate
        self.identity = identity

    @property
    def normalized(self) -> "TinyCompress | None":
        """The same network with normalized latents, if it has other than 8-bit samples."""
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
    """Open codecs, each in float32 and int8 where both parts are there.

    Args:
        models: shipped codecs, or folders laid out like one; all that are shipped if empty.
        rates: of those that are wanted.

    Raises:
        UserError: there is no such codec, or none of these rates.
    """
    names = models or [entry.name for entry in codecs.entries()]
    opened = [_open(name, kind) for name in names for kind in ("float32", "int8")]
    found = [each for each in opened if each is not None and each.rate in rates]
    if not found:
        there = ", ".join(names) or "none"
        raise UserError(f"no codec of these rates is here; there are {there}")
    return found


def _open(name: str, kind: str) -> TinyCompress | None:
    entry = network.choose(name)
    parts = [entry.part(part, kind) for part in ("encoder", "decoder")]
    if not all(part.is_file() for part in parts):
        return None
    # The engine holds the coder, and what computes in int8.
    made_by = [*(part.read_bytes() for part in parts), build.library_name().encode()]
    digest = hashlib.sha256(b"".join(made_by)).hexdigest()
    opened = network.find(model=name, int8=kind == "int8")
    return TinyCompress(opened, digest[:HASH_DIGITS])


def latent_bits(samples: np.ndarray, segments: Sequence[bytes]) -> LatentBits:
    """What different codes need for the most significant planes of latents.

    Args:
        samples: (channels, height, width) uint8.
        segments: a coded one for each plane that is kept.
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
    """A format of Pillow: its name there, the library behind it, its least quality and options."""

    pillow: str
    library: str
    least: int
    options: dict[str, Any]


BEST = 100
"""The highest quality of every format."""

# Pillow's defaults but for the quality: JPEG and AVIF halve chroma (4:2:0), as WebP does always.
_FORMATS = {
    "jpeg": _Format("JPEG", "libjpeg_turbo", 1, {}),
    "jpeg-444": _Format("JPEG", "libjpeg_turbo", 1, {"subsampling": 0}),
    "webp": _Format("WEBP", "webp", 0, {}),
    "avif": _Format("AVIF", "avif", 0, {}),
}
FORMATS = ("jpeg", "webp", "avif")
"""Those that a network is compared with."""

JPEGS = ("jpeg", "jpeg-444")
"""Pillow's JPEG by default, with chroma halved, and with chroma whole."""


class PhotoFormat:
    """A format through Pillow; its settings are qualities, `least` to 100."""

    def __init__(self, name: str) -> None:
        """Choose one.

        Raises:
            UserError: this Pillow cannot write it.
        """
        self._format = _FORMATS[name]
        self.name = name
        self.least = self._format.least
        Image.init()
        if self._format.pillow not in Image.SAVE:
            raise UserError(
                f"this Pillow cannot write {name}; `pip install -U pillow` may bring it"
            )
        library = self._format.library
        self.identity = f"Pillow {PIL.__version__} {library} {features.version(library)}"

    def code(self, pixels: np.ndarray, settings: Sequence[int]) -> Iterator[Coded]:
        """Code an image."""
        for quality in settings:
            file = self.encode(pixels, quality)
            with Image.open(io.BytesIO(file)) as picture:
                mode = "L" if pixels.ndim == 2 else "RGB"
                yield Coded(quality, len(file), np.asarray(picture.convert(mode)))

    def encode(self, pixels: np.ndarray, quality: int) -> bytes:
        """Make a file of an image."""
        file = io.BytesIO()
        picture = Image.fromarray(pixels)
        picture.save(file, self._format.pillow, quality=quality, **self._format.options)
        return file.getvalue()
