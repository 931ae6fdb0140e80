"""Opens the networks of a codec: by id or folder, by its files, or by the header of a .tcz file."""

import hashlib
from pathlib import Path

from edge_sr.codec.header import HASH_BYTES, ID_BYTES, RATES, Header
from edge_sr.codec.network import CHANNELS, Network
from edge_sr.errors import UserError
from edge_sr.graph import read_bytes
from edge_sr.runtime.opening import open_part
from edge_sr.runtime.session import Session
from edge_sr.zoo import catalog
from edge_sr.zoo.catalog import Entry

_PREFIX = f"{catalog.CODEC}-"


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


def find(
    rate: int | None = None, int8: bool = True, model: str | None = None, threads: int = 1
) -> Network:
    """Open a shipped codec, or one in a folder.

    Args:
        rate: image pixels per sample of a channel: 4, 16, 64 or 256; None for the model's, or 16.
        int8: whether to open the int8 networks or the float32 ones.
        model: the id of a shipped codec, such as "tinycompress-rd", or a folder with the same
            layout; None for the shipped codec of that rate.
        threads: 1 to 64.

    Raises:
        UserError: the codec is unknown, lacks these networks, or has another rate.
    """
    return _open_codec(_codec(model, rate), "int8" if int8 else "float32", rate, threads)


def _codec(model: str | None, rate: int | None = None) -> Entry:
    """The codec that `model` and `rate` name, as in `find`."""
    meant = catalog.resolve(model, rate=rate, kind="codec")
    if meant.entry is None or meant.part is not None:
        raise UserError(f"{model} is not a whole codec; name a codec's id or folder")
    return meant.entry


def _open_codec(codec: Entry, kind: str, rate: int | None, threads: int) -> Network:
    encoder, decoder = (codec.file(kind, part=part) for part in ("encoder", "decoder"))
    other = "float32" if kind == "int8" else "int8"
    absent = not (encoder.is_file() or decoder.is_file())
    if absent and codec.file(other, part="decoder").is_file():
        raise UserError(f"{codec.id} has no {kind} networks; use --{other}")
    return open_parts(encoder, decoder, _id(codec, kind), rate, threads)


def _id(codec: Entry, kind: str) -> str:
    """The name of a codec in the header of files: tc-16, tc-rd-int8, or the name of its folder."""
    suffix = "-int8" if kind == "int8" else ""
    if codec.id.startswith(_PREFIX):
        return f"tc-{codec.id.removeprefix(_PREFIX)}{suffix}"[:ID_BYTES]
    name = "".join(c if c.isascii() and c.isprintable() else "_" for c in codec.id)
    return f"{name[: ID_BYTES - len(suffix)]}{suffix}"


def find_for(header: Header, model: str | None = None, threads: int = 1) -> Network:
    """Open the decoder of a file.

    Args:
        header: of the file.
        model: as in `find`; None for the shipped codec that the header names.
        threads: 1 to 64.

    Raises:
        UserError: the decoder is not available, or another decoder has its name.
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
            f"this file needs the network {header.model_id!r}, and {model} holds "
            f"{' and '.join(known) or 'none'}; give the folder of that network with --model, or "
            "omit --model for a shipped one"
        )
    raise UserError(
        f"this file needs the network {header.model_id!r}, which is not available; available: "
        f"{', '.join(known) or 'none'}; give the folder of another with --model"
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


def _open(part: Path | bytes, threads: int, role: str) -> tuple[bytes, Session]:
    data = read_bytes(part) if isinstance(part, Path) else part
    try:
        return data, open_part(data, threads)
    except UserError as error:
        name = part if isinstance(part, Path) else f"the {role}"
        raise UserError(f"{name}: {error}") from None


def _other_network(header: Header, name: str, digest: bytes) -> UserError:
    return UserError(
        f"this file needs the network {header.model_id} with decoder {header.model_hash.hex()}, "
        f"and {name} here has {digest.hex()}"
    )


def _hash(decoder: bytes) -> bytes:
    return hashlib.sha256(decoder).digest()[:HASH_BYTES]
