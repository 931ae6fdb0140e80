"""Compresses an image to a .tcz file, and decompresses it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from edge_sr.codec import container, container2, header2, learned, opening, versions
from edge_sr.codec import planes as bit_planes
from edge_sr.codec.autoencoder import Autoencoder
from edge_sr.codec.header import MAX_PIXELS, Colour, Header
from edge_sr.codec.network import Network
from edge_sr.codec.pixels import as_rgb, to_gray
from edge_sr.codec.quantizer import Kind
from edge_sr.data.image_types import Pixels
from edge_sr.engine import coder
from edge_sr.errors import UserError

AnyHeader = Header | header2.Header
Decoder = Network | Autoencoder
Decoding = Decoder | Callable[[AnyHeader], Decoder]


@dataclass(frozen=True)
class Decoded:
    """An image and the file that it was decoded from.

    Attributes:
        pixels: uint8 (H, W) gray or (H, W, 3) RGB.
        file: that was read.
        note: of the file.
    """

    pixels: Pixels
    file: container.File | container2.File
    note: str


def compress(
    pixels: Pixels,
    coding: Network,
    planes: int = bit_planes.BITS,
    kind: Kind = Kind.CLIPPING,
) -> bytes:
    """Return a .tcz file of an image.

    Args:
        pixels: uint8 (H, W) gray, which is coded as three equal channels, or (H, W, 3) RGB.
        coding: the network.
        planes: number of bit planes to keep, 1 to 8.
        kind: of the quantizer; int8 networks support clipping only.

    Raises:
        UserError: the image is too large for a file, or an argument is out of range.
    """
    bit_planes.check(planes)
    header, samples = _encode(pixels, coding, kind)
    return container.pack(header, samples, planes)


def compress_within(
    pixels: Pixels, coding: Network, bpp: float, kind: Kind = Kind.CLIPPING
) -> bytes:
    """Return a .tcz file with as many bit planes as a size allows.

    Args:
        pixels: as in `compress`.
        coding: the network.
        bpp: limit on the size of the whole file, in bits per pixel.
        kind: as in `compress`.

    Raises:
        UserError: as in `compress`, or one plane alone exceeds the limit.
    """
    header, samples = _encode(pixels, coding, kind)
    segments = coder.encode(samples)
    for planes in range(bit_planes.BITS, 0, -1):
        data = container.assemble(header, segments[:planes])
        used = 8 * len(data) / (header.width * header.height)
        if used <= bpp:
            return data
    raise UserError(
        f"one bit plane alone needs {used:.4g} bits per pixel, and the limit is {bpp:g}; a higher "
        "rate needs less"
    )


def _encode(pixels: Pixels, coding: Network, kind: Kind) -> tuple[Header, Pixels]:
    gray = pixels.ndim == 2
    height, width = pixels.shape[:2]
    if max(height, width) > coder.MAX_SIDE:
        raise UserError(
            f"the image is {width}x{height}; .tcz files hold at most {coder.MAX_SIDE} a side"
        )
    samples, quantizer = coding.encode(as_rgb(pixels), kind)
    colour = Colour.GRAY if gray else Colour.RGB
    header = Header(coding.id, coding.hash, coding.rate, width, height, colour, quantizer)
    return header, samples


def decompress(
    data: bytes,
    decoding: Decoding | None = None,
    planes: int | None = None,
    salvage: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> Decoded:
    """Decode a .tcz file of any version.

    Args:
        data: the file.
        decoding: the codec that compressed it, or a function that finds the codec of a header; None
            for the shipped one that the header names.
        planes: number of bit planes of a TinyCompress file to decode; None for all that are intact.
        salvage: decode a damaged or truncated file up to the damage.
        max_pixels: limit on the size of the image.

    Raises:
        UserError: the data is not a .tcz file, of another network or damaged, or it has fewer
            intact planes than `planes`.
    """
    if versions.version_of(data) == header2.VERSION:
        return _decompress_learned(data, decoding, planes, salvage, max_pixels)
    file = container.unpack(data, salvage, max_pixels, planes)
    available = len(file.segments)
    if planes is not None and not 1 <= planes <= available:
        raise UserError(f"{planes} bit planes cannot be decoded; available: {available}")
    header = file.header
    network = _decoder(header, decoding)
    assert not isinstance(network, Autoencoder)  # its file has another version
    latents = replace(file, segments=file.segments[:planes]).latents()
    rgb = network.decode(latents, header.height, header.width)
    pixels = to_gray(rgb) if header.colour is Colour.GRAY else rgb
    return Decoded(pixels, file, file.note)


def _decompress_learned(
    data: bytes, decoding: Decoding | None, planes: int | None, salvage: bool, max_pixels: int
) -> Decoded:
    """Decode a file of version 2."""
    if planes is not None:
        raise UserError("only files of TinyCompress have bit planes; leave --planes out")
    file = container2.unpack(data, salvage, max_pixels)
    autoencoder = _decoder(file.header, decoding)
    assert isinstance(autoencoder, Autoencoder)  # it has the hash of one
    return Decoded(learned.decode(file, autoencoder), file, file.note)


def _decoder(header: AnyHeader, decoding: Decoding | None) -> Decoder:
    """The codec of a file, which made it."""
    finder = opening.find_for if decoding is None else decoding
    network = finder(header) if callable(finder) else finder
    opening.check_made_by(header, network)
    return network
