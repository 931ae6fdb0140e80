"""A codec with qualities: its networks, and the context that predicts their symbols.

int8 networks run in the engine, which gives the same bits on every machine; float32 networks in
LiteRT. One pair of networks serves all places (`quality`): their weights are scaled by channel.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from edge_sr.codec import context, places, quality
from edge_sr.codec.header2 import STEP
from edge_sr.codec.quality import PLACE_STEPS, Span
from edge_sr.data.image_types import Pixels
from edge_sr.engine.symbols import LARGEST
from edge_sr.errors import UserError
from edge_sr.runtime.opening import open_part
from edge_sr.runtime.pixels import decode, encode
from edge_sr.runtime.session import Session
from edge_sr.runtime.tiles import run_tiled

_OPENED = 16
"""Places that stay open."""


class Coding:
    """An autoencoder at one place: its networks and its context are opened as they are needed.

    Attributes:
        codec: the autoencoder.
        place: in steps of 1/256.
        context: the folded context.
    """

    def __init__(self, codec: "Autoencoder", place: int) -> None:
        self.codec, self.place = codec, place
        self.context = context.fold(codec.master, place / PLACE_STEPS)

    @cached_property
    def _encoder(self) -> Session:
        codec = self.codec
        if codec.encoder is None:
            raise UserError(f"{codec.id} has no encoder here; it can only decompress")
        data = codec.encoder
        if codec.is_int8:
            data = places.encoder_at(data, self._ratios)
        return _open(data, codec.threads, f"the encoder of {codec.id}")

    @cached_property
    def _decoder(self) -> Session:
        codec = self.codec
        data = places.decoder_at(codec.decoder, self._steps) if codec.is_int8 else codec.decoder
        return _open(data, codec.threads, f"the decoder of {codec.id}")

    @property
    def _ratios(self) -> np.ndarray:
        return context.gain_ratios(self.codec.master, self.place / PLACE_STEPS)

    @property
    def _steps(self) -> np.ndarray:
        return context.steps(self.codec.master, self.place / PLACE_STEPS)

    def symbols(self, pixels: Pixels) -> np.ndarray:
        """Compute the symbols of an image.

        Args:
            pixels: (H, W, 3) uint8; padded to multiples of 8 by edge replication.

        Returns:
            int8 (h, w, C).

        Raises:
            UserError: there is no encoder, or its output is not finite.
        """
        bottom, right = (-size % STEP for size in pixels.shape[:2])
        padded = np.pad(pixels, ((0, bottom), (0, right), (0, 0)), "edge")
        session = self._encoder
        output = _run(session, encode(padded, session.input))
        if self.codec.is_int8:
            return output
        if not np.isfinite(output).all():
            raise UserError("the encoder gives values that are not finite; its weights are damaged")
        scaled = output * self._ratios.astype(np.float32)
        return np.clip(np.rint(scaled), -LARGEST, LARGEST).astype(np.int8)

    def restore(self, symbols: np.ndarray, height: int, width: int) -> Pixels:
        """Compute an image from symbols.

        Args:
            symbols: int8 (h, w, C).
            height: of the image, at most h * 8.
            width: of the image, at most w * 8.

        Returns:
            uint8 (height, width, 3).

        Raises:
            UserError: the output is not finite.
        """
        session = self._decoder
        values = symbols
        if not self.codec.is_int8:
            values = symbols * self._steps.astype(np.float32)
        output = _run(session, np.ascontiguousarray(values))[:height, :width]
        if not self.codec.is_int8 and not np.isfinite(output).all():
            raise UserError("the decoder gives values that are not finite; its weights are damaged")
        return decode(output, session.output)


class Autoencoder:
    """The files of a codec with qualities.

    Attributes:
        id: the name in the header of files: 1 to 16 printable ASCII characters.
        hash: the first 8 bytes of the SHA-256 of the decoder's file.
        encoder: a .tflite; None if nothing will be compressed.
        decoder: a .tflite.
        master: the context before it is folded for a place.
        span: its qualities.
        is_int8: whether both networks are int8.
        threads: of the networks.
        at: opens the codec at a place, in steps of 1/256.
    """

    def __init__(
        self,
        name: str,
        digest: bytes,
        networks: tuple[bytes | None, bytes],
        master: context.Master,
        span: Span,
        threads: int,
    ) -> None:
        """Check that networks and context fit each other.

        Raises:
            UserError: a part is damaged or of another kind, or they do not fit.
        """
        self.id, self.hash, self.threads = name, digest, threads
        self.encoder, self.decoder = networks
        self.master, self.span = master, span
        self.is_int8 = _check_decoder(self.decoder, name, master)
        self.at: Callable[[int], Coding] = lru_cache(_OPENED)(lambda place: Coding(self, place))

    @property
    def channels(self) -> int:
        """C, of the symbols."""
        return self.master.channels


@dataclass(frozen=True)
class Ladder:
    """The codecs that code images of all qualities.

    Attributes:
        codecs: one; or two, of low and of high rates.
    """

    codecs: tuple[Autoencoder, ...]

    @property
    def qualities(self) -> tuple[float, float]:
        """The lowest and the highest quality."""
        return self.codecs[0].span.lowest, self.codecs[-1].span.highest

    @property
    def default(self) -> float:
        """The quality of a file if none is asked for."""
        lowest, highest = self.qualities
        return min(max(quality.DEFAULT, lowest), highest)

    def at(self, wanted: float) -> Coding:
        """Open the codec of a quality.

        Raises:
            UserError: no codec has this quality.
        """
        quality.check(wanted)
        codec = self.codecs[0 if wanted <= quality.SWITCH else -1]
        return codec.at(codec.span.place(wanted))


def _check_decoder(decoder: bytes, name: str, master: context.Master) -> bool:
    """Return whether a decoder is int8, after checking that it fits the context."""
    session = _open(decoder, 1, f"the decoder of {name}")
    if (session.scale, session.shrink) != (STEP, 1):
        raise UserError(f"the decoder of {name} does not enlarge by {STEP}; it may be an encoder")
    channels = master.channels
    if session.channels != channels:
        raise UserError(
            f"the decoder of {name} takes {session.channels} channels, and its context {channels}"
        )
    spec = session.input
    if spec.dtype == "int8" and (spec.scale, spec.zero_point) != (1.0, 0):
        raise UserError(f"the decoder of {name} does not take symbols: its input is scaled")
    return spec.dtype == "int8"


def _open(data: bytes, threads: int, role: str) -> Session:
    try:
        return open_part(data, threads, latents=None)
    except UserError as error:
        raise UserError(f"{role}: {error}") from None


def _run(session: Session, image: np.ndarray) -> np.ndarray:
    """Run a network on (H, W, C): the engine as a whole, LiteRT on tiles to save memory."""
    if session.input.dtype == "int8":
        return session.run(image[np.newaxis])[0]
    out = np.empty(session.out_shape((1, *image.shape))[1:], np.float32)
    run_tiled(session, image, out)
    return out
