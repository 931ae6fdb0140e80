"""Opens codecs: by id or folder, by their files, or by the header of a .tcz file."""

import hashlib
from pathlib import Path

from edge_sr.codec import header2, quality
from edge_sr.codec.autoencoder import Autoencoder, Ladder
from edge_sr.codec.context import Master
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
    """Open a shipped TinyCompress codec, or one in a folder.

    Args:
        rate: image pixels per sample of a channel: 4, 16, 64 or 256; None for the model's, or 16.
        int8: whether to open the int8 networks or the float32 ones.
        model: the id of a shipped codec, such as "tinycompress-rd", or a folder with the same
            layout; None for the shipped codec of that rate.
        threads: 1 to 64.

    Raises:
        UserError: the codec is unknown, lacks these networks, or has another rate.
    """
    codec = _codec(model, rate)
    if codec.has_qualities:
        raise UserError(f"{codec.id} has qualities; its files are not those of TinyCompress")
    return _open_codec(codec, _precision(int8), rate, threads)


def has_qualities(model: str | None) -> bool:
    """Return whether a name means a codec with qualities; None means the default codec.

    Raises:
        UserError: the codec is unknown.
    """
    if model is None:
        return catalog.DEFAULT_CODEC == catalog.LEARNED and has_shipped_ladder()
    return model == catalog.LEARNED or _codec(model).has_qualities


def has_shipped_ladder() -> bool:
    """Return whether codecs with qualities are shipped."""
    return bool(_shipped_ladder())


def find_ladder(model: str | None = None, int8: bool = True, threads: int = 1) -> Ladder:
    """Open the codecs of all qualities.

    Args:
        model: "cae" or None for the shipped ones, the id of one of them, or a folder with the same
            layout.
        int8: whether to open the int8 networks or the float32 ones.
        threads: 1 to 64.

    Raises:
        UserError: the codec is unknown, lacks these networks, or has no qualities.
    """
    codecs = entries_of(catalog.LEARNED if model is None else model)
    if not codecs[0].has_qualities:
        raise UserError(f"{model} is a TinyCompress codec, which has no qualities")
    return Ladder(tuple(_open_learned(each, _precision(int8), threads) for each in codecs))


def entries_of(model: str) -> list[Entry]:
    """Return the codec that a name means, or the pair of low and high rates that "cae" means.

    Raises:
        UserError: the codec is unknown.
    """
    if model != catalog.LEARNED:
        return [_codec(model)]
    codecs = _shipped_ladder()
    if not codecs:
        raise UserError(f"edge-sr has no weights of {catalog.LEARNED}")
    return codecs


def _shipped_ladder() -> list[Entry]:
    """The codecs that `--model cae` means, from low to high rates."""
    names = ("low", "high")
    known = {entry.id: entry for entry in catalog.entries("codec") if entry.has_qualities}
    return [known[each] for name in names if (each := f"{catalog.LEARNED}-{name}") in known]


def _precision(int8: bool) -> str:
    return "int8" if int8 else "float32"


def _open_learned(codec: Entry, kind: str, threads: int, encoder: bool = True) -> Autoencoder:
    """Open a codec with qualities; without its encoder if nothing will be compressed."""
    _check_precision(codec, kind)
    small = read_bytes(codec.file(kind, part="encoder")) if encoder else None
    large = read_bytes(codec.file(kind, part="decoder"))
    master = Master.read(codec.folder / catalog.CONTEXT)
    span = quality.span(codec.id, master.top + 1)
    return Autoencoder(_id(codec, kind), _hash(large), (small, large), master, span, threads)


def _check_precision(codec: Entry, kind: str) -> None:
    """Refuse a precision that a codec lacks while it has the other."""
    other = "float32" if kind == "int8" else "int8"
    absent = not any(codec.file(kind, part=part).is_file() for part in ("encoder", "decoder"))
    if absent and codec.file(other, part="decoder").is_file():
        raise UserError(f"{codec.id} has no {kind} networks; use --{other}")


def _codec(model: str | None, rate: int | None = None) -> Entry:
    """The codec that `model` and `rate` name, as in `find`."""
    meant = catalog.resolve(model, rate=rate, kind="codec")
    if meant.entry is None or meant.part is not None:
        raise UserError(f"{model} is not a whole codec; name a codec's id or folder")
    return meant.entry


def _open_codec(codec: Entry, kind: str, rate: int | None, threads: int) -> Network:
    encoder, decoder = (codec.file(kind, part=part) for part in ("encoder", "decoder"))
    _check_precision(codec, kind)
    return open_parts(encoder, decoder, _id(codec, kind), rate, threads)


def _id(codec: Entry, kind: str) -> str:
    """The name of a codec in the header of files: tc-16, tc-rd-int8, or the name of its folder."""
    suffix = "-int8" if kind == "int8" else ""
    if codec.id.startswith(_PREFIX):
        return f"tc-{codec.id.removeprefix(_PREFIX)}{suffix}"[:ID_BYTES]
    name = "".join(c if c.isascii() and c.isprintable() else "_" for c in codec.id)
    return f"{name[: ID_BYTES - len(suffix)]}{suffix}"


def find_for(
    header: Header | header2.Header, model: str | None = None, threads: int = 1
) -> Network | Autoencoder:
    """Open the decoder of a file.

    Args:
        header: of the file.
        model: as in `find` or `find_ladder`; None for the shipped codec that the header names.
        threads: 1 to 64.

    Raises:
        UserError: the decoder is not available, or another decoder has its name.
    """
    is_learned = isinstance(header, header2.Header)
    known = {
        _id(codec, kind): (codec, kind)
        for codec in _candidates(model)
        for kind in ("int8", "float32")
        if codec.has_qualities == is_learned and codec.file(kind, part="decoder").is_file()
    }
    for name, (codec, kind) in known.items():
        data = read_bytes(codec.file(kind, part="decoder"))
        if _hash(data) == header.model_hash:
            network = (
                _open_learned(codec, kind, threads, encoder=False)
                if is_learned
                else open_parts(None, data, name, threads=threads)
            )
            check_made_by(header, network)
            return network
    raise _unavailable(header, known, model)


def quality_of(header: header2.Header) -> float | None:
    """Return the quality of a file of a shipped codec; None if no codec of its name is shipped."""
    for codec in catalog.entries("codec"):
        for kind in ("int8", "float32"):
            decoder = codec.file(kind, part="decoder")
            named = codec.has_qualities and _id(codec, kind) == header.model_id
            if named and decoder.is_file() and _hash(read_bytes(decoder)) == header.model_hash:
                gains = Master.read(codec.folder / catalog.CONTEXT).top + 1
                return quality.span(codec.id, gains).quality(header.place)
    return None


def _candidates(model: str | None) -> list[Entry]:
    """The codecs that may have made a file."""
    if model is None or model == catalog.LEARNED:
        return catalog.entries("codec")
    return [_codec(model)]


def _unavailable(
    header: Header | header2.Header, known: dict[str, tuple[Entry, str]], model: str | None
) -> UserError:
    """The reason why the decoder of a file was not found."""
    if header.model_id in known:
        codec, kind = known[header.model_id]
        digest = _hash(read_bytes(codec.file(kind, part="decoder")))
        return _other_network(header, header.model_id, digest)
    available = " and ".join(known) if model is not None else ", ".join(known)
    if model is not None:
        return UserError(
            f"this file needs the network {header.model_id!r}, and {model} holds "
            f"{available or 'none'}; give the folder of that network with --model, or "
            "omit --model for a shipped one"
        )
    return UserError(
        f"this file needs the network {header.model_id!r}, which is not available; available: "
        f"{available or 'none'}; give the folder of another with --model"
    )


def check_made_by(header: Header | header2.Header, network: Network | Autoencoder) -> None:
    """Check that a file was compressed by this network.

    Raises:
        UserError: the file has another decoder, version, rate or number of channels.
    """
    is_learned = isinstance(network, Autoencoder)
    if header.model_hash != network.hash or is_learned != isinstance(header, header2.Header):
        raise _other_network(header, network.id, network.hash)
    if isinstance(header, header2.Header) or isinstance(network, Autoencoder):
        return
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


def _other_network(header: Header | header2.Header, name: str, digest: bytes) -> UserError:
    return UserError(
        f"this file needs the network {header.model_id} with decoder {header.model_hash.hex()}, "
        f"and {name} here has {digest.hex()}"
    )


def _hash(decoder: bytes) -> bytes:
    return hashlib.sha256(decoder).digest()[:HASH_BYTES]
