"""The two networks of a codec: the encoder (pixels to latents) and the decoder.

int8 parts run in the engine, which gives the same bits on every machine; float32 parts in LiteRT.
Both work by rows or tiles, so that the memory of the runtime does not grow with the image.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_sr.codec.header import HASH_BYTES, ID_BYTES, RATES, Header
from edge_sr.codec.quantizer import Kind, Quantizer, clipping, normalizing
from edge_sr.data.image_types import Pixels
from edge_sr.errors import UserError
from edge_sr.graph import read_bytes
from edge_sr.runtime.opening import open_part
from edge_sr.runtime.pixels import decode, encode
from edge_sr.runtime.session import Session, TensorSpec
from edge_sr.runtime.tiles import run_tiled
from edge_sr.zoo import catalog
from edge_sr.zoo.catalog import Entry

CHANNELS = 3
_PREFIX = f"{catalog.CODEC}-"


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


def open_parts(
    encoder: Path | bytes | None,
    decoder: Path | bytes,
    model_id: str,
    rate: int | None = None,
    threads: int = 1,
) -> Network:
    """Open the parts of a codec.

    Args:
        encoder: path or bytes of a .tflite; None if nothing will be compressed.
        decoder: path or bytes of a .tflite.
        model_id: the name in the header of files.
        rate: that the decoder must have; None for any.
        threads: 1 to 64.

    Raises:
        UserError: a part is missing, damaged or of another kind, or the two do not fit.
    """
    data, large = _open(decoder, threads, "decoder")
    small = None if encoder is None else _open(encoder, threads, "encoder")[1]
    own_rate = large.scale**2
    if large.shrink != 1 or own_rate not in RATES:
        raise UserError(f"the decoder of {model_id} does not enlarge; it may be an encoder")
    if rate not in (None, own_rate):
        raise UserError(f"the decoder of {model_id} has rate {own_rate}, not {rate}")
    if small is not None and (small.shrink != large.scale or small.output != large.input):
        raise UserError(f"the encoder and the decoder of {model_id} do not fit each other")
    return Network(model_id, _hash(data), own_rate, small, large)


def _open(part: Path | bytes, threads: int, role: str) -> tuple[bytes, Session]:
    data = read_bytes(part) if isinstance(part, Path) else part
    try:
        return data, open_part(data, threads)
    except UserError as error:
        name = part if isinstance(part, Path) else f"the {role}"
        raise UserError(f"{name}: {error}") from None


def find(
    rate: int | None = None, int8: bool = True, model: str | None = None, threads: int = 1
) -> Network:
    """Open a shipped codec, or one's own.

    Args:
        rate: pixels for each sample of a channel: 4, 16, 64 or 256; 16, or the model's, if None.
        int8: or else float32.
        model: "tinycompress-rd" or the like, or a folder that is laid out like a shipped one;
            None for the one of that rate.
        threads: 1 to 64.

    Raises:
        UserError: there is none, or it is not of that rate.
    """
    return _open_codec(_codec(model, rate), "int8" if int8 else "float32", rate, threads)


def _codec(model: str | None, rate: int | None = None) -> Entry:
    """The codec that `model` and `rate` of `find` mean."""
    meant = catalog.resolve(model, rate=rate, kind="codec")
    if meant.entry is None or meant.part is not None:
        raise UserError(f"{model} is not a whole codec; name a codec's id or folder")
    return meant.entry


def _open_codec(codec: Entry, kind: str, rate: int | None, threads: int) -> Network:
    encoder, decoder = (codec.file(kind, part=part) for part in ("encoder", "decoder"))
    other = "float32" if kind == "int8" else "int8"
    absent = not (encoder.is_file() or decoder.is_file())
    if absent and codec.file(other, part="decoder").is_file():
        raise UserError(f"{codec.id} has no {kind} networks here; give --{other}")
    return open_parts(encoder, decoder, _id(codec, kind), rate, threads)


def _id(codec: Entry, kind: str) -> str:
    """What files call a codec: tc-16, tc-rd-int8, or as its folder is called."""
    suffix = "-int8" if kind == "int8" else ""
    if codec.id.startswith(_PREFIX):
        return f"tc-{codec.id.removeprefix(_PREFIX)}{suffix}"[:ID_BYTES]
    name = "".join(c if c.isascii() and c.isprintable() else "_" for c in codec.id)
    return f"{name[: ID_BYTES - len(suffix)]}{suffix}"


def find_for(header: Header, model: str | None = None, threads: int = 1) -> Network:
    """Open the decoder that made a file.

    Args:
        header: of the file.
        model: as in `find`; None for the shipped one that the header names.
        threads: 1 to 64.

    Raises:
        UserError: it is not here, or another has its name.
    """
    candidates = catalog.entries("codec") if model is None else [_codec(model)]
    known = {
        _id(codec, kind): path
        for codec in candidates
        for kind in ("int8", "float32")
        if (path := codec.file(kind, part="decoder")).is_file()
    }
    for name, path in known.items():
        data = read_bytes(path)
        if _hash(data) == header.model_hash:
            network = open_parts(None, data, name, threads=threads)
            check_made_by(header, network)
            return network
    if header.model_id in known:
        raise _other_network(header, header.model_id, _hash(read_bytes(known[header.model_id])))
    if model is not None:
        raise UserError(
            f"this file was made by the network {header.model_id!r}, and {model} holds "
            f"{' and '.join(known) or 'none'}; --model names the folder of that network, and is "
            "left out for one that is shipped"
        )
    raise UserError(
        f"this file was made by the network {header.model_id!r}, which is not here; there are "
        f"{', '.join(known) or 'none'}; --model names the folder of another"
    )


def check_made_by(header: Header, network: Network) -> None:
    """Check that a file was compressed by this network.

    Raises:
        UserError: the file has another decoder, rate or number of channels.
    """
    if header.model_hash != network.hash:
        raise _other_network(header, network.id, network.hash)
    channels = len(header.quantizer.low)
    if (header.rate, channels) != (network.rate, CHANNELS):
        raise UserError(
            f"this file claims rate {header.rate} and {channels} channels, and its network "
            f"{network.id} has rate {network.rate} and {CHANNELS}; fetch the file again"
        )


def _other_network(header: Header, name: str, digest: bytes) -> UserError:
    return UserError(
        f"this file needs the network {header.model_id} with decoder {header.model_hash.hex()}, "
        f"and {name} here has {digest.hex()}"
    )


def _hash(decoder: bytes) -> bytes:
    return hashlib.sha256(decoder).digest()[:HASH_BYTES]
