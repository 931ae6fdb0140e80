"""What a user asks of a compression: which codec, and how; options that do not fit are refused."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from edge_sr.codec import codec, learned, opening
from edge_sr.codec import planes as bit_planes
from edge_sr.codec import quality as qualities
from edge_sr.codec.network import check_kind
from edge_sr.codec.quantizer import Kind
from edge_sr.data.image_types import Pixels
from edge_sr.errors import UserError
from edge_sr.zoo import catalog

Encode = Callable[[Pixels], bytes]


@dataclass(frozen=True)
class Request:
    """The options of a compression; None where one is not given.

    Attributes:
        quality: 1 to 10, of a codec with qualities.
        bpp: limit on the size of the file, in bits per pixel.
        model: a codec's id or folder, or "cae".
        rate: of TinyCompress.
        int8: whether the networks are the int8 ones.
        planes: of TinyCompress: bit planes to keep.
        quantizer: of TinyCompress: "clipping" or "normalization".
    """

    quality: float | None = None
    bpp: float | None = None
    model: str | None = None
    rate: int | None = None
    int8: bool = True
    planes: int | None = None
    quantizer: str | None = None

    @property
    def _of_tinycompress(self) -> str | None:
        """The first option that only TinyCompress has; None if none is given."""
        given = {"--rate": self.rate, "--planes": self.planes, "--quantizer": self.quantizer}
        return next((name for name, value in given.items() if value is not None), None)

    @property
    def _has_qualities(self) -> bool:
        """Whether the codec has qualities: the one that is named, or that the options mean."""
        if self.model is None and self.quality is not None:
            return True
        if self.model is None and self._of_tinycompress is not None:
            return False
        return opening.has_qualities(self.model)

    def check(self) -> None:
        """Check the options without opening the codec.

        Raises:
            UserError: the codec is unknown, or an option is out of range or not one of this codec.
        """
        if self.bpp is not None and not (math.isfinite(self.bpp) and self.bpp > 0):
            raise UserError(f"--target-bpp takes a number above 0, not {self.bpp:g}")
        if self.quality is not None:
            qualities.check(self.quality)
        if self._has_qualities:
            self._check_learned()
        else:
            self._check_tinycompress()

    def _check_learned(self) -> None:
        option = self._of_tinycompress
        if option is not None:
            codec = "the codec of a quality" if self.model is None else self.model
            raise UserError(f"{option} is an option of TinyCompress, and {codec} is another codec")
        if self.quality is not None and self.bpp is not None:
            raise UserError("--quality and --target-bpp exclude each other; give one")

    def _check_tinycompress(self) -> None:
        if self.quality is not None:
            raise UserError(
                f"--quality is not an option of {self.model}, a TinyCompress; use --planes"
            )
        check_kind(self._kind, self.int8)
        if self.planes is not None and self.bpp is not None:
            raise UserError("--planes and --target-bpp exclude each other; give one")
        bit_planes.check(self._kept)
        catalog.resolve(self.model, rate=self.rate, kind="codec")

    @property
    def _kept(self) -> int:
        """The bit planes of TinyCompress."""
        return bit_planes.BITS if self.planes is None else self.planes

    @property
    def _kind(self) -> Kind:
        """The quantizer of TinyCompress."""
        name = Kind.CLIPPING.name if self.quantizer is None else self.quantizer.upper()
        if name not in Kind.__members__:
            names = ", ".join(kind.name.lower() for kind in Kind)
            raise UserError(f"unknown quantizer {self.quantizer!r}; available: {names}")
        return Kind[name]

    def open(self, threads: int = 1) -> Encode:
        """Open the codec.

        Returns:
            the compression of an image, uint8 (H, W) or (H, W, 3), to a .tcz file.

        Raises:
            UserError: the codec lacks these networks, or does not have this quality.
        """
        return self._learned(threads) if self._has_qualities else self._tinycompress(threads)

    def _learned(self, threads: int) -> Encode:
        ladder, bpp = opening.find_ladder(self.model, self.int8, threads), self.bpp
        if bpp is not None:
            return lambda pixels: learned.compress_within(pixels, ladder, bpp)
        coding = ladder.at(ladder.default if self.quality is None else self.quality)
        return lambda pixels: learned.compress(pixels, coding)

    def _tinycompress(self, threads: int) -> Encode:
        network, bpp = opening.find(self.rate, self.int8, self.model, threads), self.bpp
        if bpp is not None:
            return lambda pixels: codec.compress_within(pixels, network, bpp, self._kind)
        return lambda pixels: codec.compress(pixels, network, self._kept, self._kind)
