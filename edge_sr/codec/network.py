"""The two networks of a codec: the encoder (pixels to latents) and the decoder.

int8 parts run in the engine, which gives the same bits on every machine; float32 parts in LiteRT.
Both work by rows or tiles, so that the memory of the runtime does not grow with the image.
"""

from dataclasses import dataclass

import numpy as np

from edge_sr.codec.quantizer import Kind, Quantizer, clipping, normalizing
from edge_sr.data.image_types import Pixels
from edge_sr.errors import UserError
from edge_sr.runtime.pixels import decode, encode
from edge_sr.runtime.session import Session, TensorSpec
from edge_sr.runtime.tiles import run_tiled

CHANNELS = 3


@dataclass(frozen=True)
class Network:
    """An encoder and a decoder, or only a decoder.

    Attributes:
        id: the name in the header of files: 1 to 16 printable ASCII characters.
        hash: the first 8 bytes of the SHA-256 of the decoder's file.
        rate: image pixels per sample of a channel.
        encoder: None if nothing will be compressed.
        decoder: its input has the scale and zero point of the encoder's output.
    """

    id: str
    hash: bytes
    rate: int
    encoder: Session | None
    decoder: Session

    @property
    def is_int8(self) -> bool:
        """Whether both parts are int8."""
        return self.decoder.input.dtype == "int8"

    @property
    def step(self) -> int:
        """Image pixels per sample along each axis."""
        return self.decoder.scale

    def encode(self, pixels: Pixels, kind: Kind = Kind.CLIPPING) -> tuple[Pixels, Quantizer]:
        """Compute 8-bit samples of an image.

        Args:
            pixels: (H, W, 3) uint8; padded to multiples of `step` by edge replication.
            kind: of the quantizer; int8 latents are 8-bit samples already, which is clipping.

        Returns:
            (3, h, w) uint8, and the quantizer that restores latents from them.

        Raises:
            UserError: there is no encoder, or int8 networks do not support the quantizer.
        """
        check_kind(kind, self.is_int8)
        if self.is_int8:
            return _to_samples(self._run_encoder(pixels)), _full_range(self.decoder.input)
        latents = self.latents(pixels)
        quantizer = clipping(CHANNELS) if kind is Kind.CLIPPING else normalizing(latents)
        return quantizer.quantize(latents), quantizer

    def latents(self, pixels: Pixels) -> np.ndarray:
        """Compute the latents of an image before quantization; int8 values are dequantized.

        Args:
            pixels: as in `encode`.

        Returns:
            float32 (3, h, w).

        Raises:
            UserError: there is no encoder, or its output is not finite.
        """
        output = self._run_encoder(pixels)
        if self.is_int8:
            return _full_range(self.decoder.input).restore(_to_samples(output))
        if not np.isfinite(output).all():
            raise UserError("the encoder gives values that are not finite; its weights are damaged")
        return np.ascontiguousarray(output.transpose(2, 0, 1))

    def decode(self, latents: np.ndarray, height: int, width: int) -> Pixels:
        """Compute an image from latents.

        Args:
            latents: float32 (3, h, w), finite.
            height: of the image, at most h * step and more than (h - 1) * step.
            width: of the image, at most w * step and more than (w - 1) * step.

        Returns:
            uint8 (height, width, 3).

        Raises:
            UserError: the latents do not have the shape for this size, or the output is not finite.
        """
        expected = CHANNELS, -(-height // self.step), -(-width // self.step)
        if latents.shape != expected:
            raise UserError(f"the latents are {latents.shape}; this image needs {expected}")
        source = _to_input(latents, self.decoder.input)
        output = _run(self.decoder, source)[:height, :width]
        if not self.is_int8 and not np.isfinite(output).all():
            raise UserError(
                "the decoder gives values that are not finite; the latents are not those of an "
                "image, or its weights are damaged"
            )
        return decode(output, self.decoder.output)

    def _run_encoder(self, pixels: Pixels) -> np.ndarray:
        """The encoder's output (h, w, 3)."""
        if self.encoder is None:
            raise UserError(f"{self.id} has no encoder here; it can only decompress")
        if pixels.ndim != 3 or pixels.shape[2] != CHANNELS or pixels.dtype != np.uint8:
            raise UserError(f"pixels must be uint8 (H, W, 3), not {pixels.dtype} {pixels.shape}")
        bottom, right = (-size % self.step for size in pixels.shape[:2])
        padded = np.pad(pixels, ((0, bottom), (0, right), (0, 0)), "edge")
        return _run(self.encoder, encode(padded, self.encoder.input))


def check_kind(kind: Kind, int8: bool) -> None:
    """Check that a network supports a quantizer.

    Raises:
        UserError: the network is int8 and the quantizer normalizes.
    """
    if int8 and kind is not Kind.CLIPPING:
        raise UserError("int8 networks clip their latents; use --float32 to normalize them")


def _run(session: Session, image: np.ndarray) -> np.ndarray:
    """Run a network on (H, W, 3): the engine streams rows, LiteRT runs tiles to save memory."""
    if session.input.dtype == "int8":
        return session.run(image[np.newaxis])[0]
    out = np.empty(session.out_shape((1, *image.shape))[1:], np.float32)
    run_tiled(session, image, out)
    return out


def _to_samples(values: np.ndarray) -> Pixels:
    """Convert int8 (h, w, 3) to uint8 samples (3, h, w)."""
    return np.ascontiguousarray(values.transpose(2, 0, 1)).view(np.uint8) ^ np.uint8(0x80)


def _to_input(latents: np.ndarray, spec: TensorSpec) -> np.ndarray:
    """Convert latents (3, h, w) to the decoder's input (h, w, 3)."""
    nhwc = np.ascontiguousarray(latents.transpose(1, 2, 0), np.float32)
    if spec.dtype == "float32":
        return nhwc
    low, high = ((q - spec.zero_point) * spec.scale for q in (-128, 127))
    return (np.rint(np.clip(nhwc, low, high) / spec.scale) + spec.zero_point).astype(np.int8)


def _full_range(spec: TensorSpec) -> Quantizer:
    """The quantizer whose samples are the values of an int8 tensor plus 128."""
    ends = (float(np.float32((q - spec.zero_point) * spec.scale)) for q in (-128, 127))
    return clipping(CHANNELS, *ends)
