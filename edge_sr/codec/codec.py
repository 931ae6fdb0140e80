"""From an image to a .tcz file and back."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_sr.codec import container, network
from edge_sr.codec import planes as bit_planes
from edge_sr.codec.container import Colour, Header
from edge_sr.codec.network import Network
from edge_sr.codec.quantizer import Kind
from edge_sr.engine import coder
from edge_sr.errors import UserError

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Decoded:
    """An image and the file it was in.

    Attributes:
        pixels: uint8 (H, W) gray or (H, W, 3) RGB.
        file: as it was found.
        note: the file's.
    """

    pixels: Pixels
    file: container.File
    note: str


def compress(
    pixels: Pixels,
    coding: Network,
    planes: int = bit_planes.BITS,
    kind: Kind = Kind.CLIPPING,
) -> bytes:
    """Make a .tcz file.

    Args:
        pixels: uint8 (H, W) gray, which is coded as three equal channels, or (H, W, 3) RGB.
        coding: the network.
        planes: to keep, 1 to 8.
        kind: of the quantizer; int8 networks clip.

    Raises:
        UserError: the image is too large for a file, or an argument is none of these.
    """
    bit_planes.check(planes)
    header, samples = _encode(pixels, coding, kind)
    return container.pack(header, samples, planes)


def compress_within(
    pixels: Pixels, coding: Network, bpp: float, kind: Kind = Kind.CLIPPING
) -> bytes:
    """Make a .tcz file of as many planes as a size allows.

    Args:
        pixels: as in `compress`.
        coding: the network.
        bpp: bits of the whole file for a pixel, at most.
        kind: as in `compress`.

    Raises:
        UserError: as `compress`, or even one plane takes more.
    """
    header, samples = _encode(pixels, coding, kind)
    segments = coder.encode(samples)
    for planes in range(bit_planes.BITS, 0, -1):
        data = container.assemble(header, segments[:planes])
        taken = 8 * len(data) / (header.width * header.height)
        if taken <= bpp:
            return data
    raise UserError(
        f"even one bit plane takes {taken:.4g} bits per pixel, and {bpp:g} is the limit; a higher "
        "rate takes less"
    )


def _encode(pixels: Pixels, coding: Network, kind: Kind) -> tuple[Header, Pixels]:
    gray = pixels.ndim == 2
    height, width = pixels.shape[:2]
    if max(height, width) > coder.MAX_SIDE:
        raise UserError(
            f"the image is {width}x{height}; a .tcz file holds {coder.MAX_SIDE} pixels a side"
        )
    rgb = np.repeat(pixels[..., np.newaxis], 3, axis=2) if gray else pixels
    samples, quantizer = coding.encode(rgb, kind)
    colour = Colour.GRAY if gray else Colour.RGB
    header = Header(coding.id, coding.hash, coding.rate, width, height, colour, quantizer)
    return header, samples


def decompress(
    data: bytes,
    decoding: Network | None = None,
    planes: int | None = None,
    salvage: bool = False,
    max_pixels: int = container.MAX_PIXELS,
) -> Decoded:
    """Read a .tcz file.

    Args:
        data: the file.
        decoding: the network that made it; None for the shipped one that it names.
        planes: to decode, the most significant; None for all that are there.
        salvage: as in `container.unpack`.
        max_pixels: of the image; more are refused.

    Raises:
        UserError: it is no such file, or of another network, or damaged, or has fewer planes.
    """
    file = container.unpack(data, salvage, max_pixels, planes)
    there = len(file.segments)
    if planes is not None and not 1 <= planes <= there:
        raise UserError(f"{planes} bit planes cannot be decoded: {there} are there")
    header = file.header
    if decoding is None:
        decoding = network.find_for(header)
    network.check_made_by(header, decoding)
    latents = replace(file, segments=file.segments[:planes]).latents()
    rgb = decoding.decode(latents, header.height, header.width)
    pixels = _to_gray(rgb) if header.colour is Colour.GRAY else rgb
    return Decoded(pixels, file, file.note)


def _to_gray(rgb: Pixels) -> Pixels:
    """The mean of R, G and B, rounded to nearest (thirds never tie)."""
    return ((rgb.sum(axis=2, dtype=np.uint16) + 1) // 3).astype(np.uint8)
