"""Which network the options of a firmware command mean, and which decoder an encoder needs."""

import contextlib
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_sr.errors import UserError
from edge_sr.zoo.catalog import SUFFIXES

if TYPE_CHECKING:
    from edge_sr.codec.autoencoder import Coding
    from edge_sr.codec.network import Network as Codec
    from edge_sr.graph import Graph
    from edge_sr.zoo import catalog


@dataclass(frozen=True)
class Network:
    """A network to make firmware of.

    Attributes:
        id: for people: "tinycompress-16/encoder".
        name: for folders and files: "tinycompress-16-encoder".
        path: its file.
        model: the content of the .tflite.
        graph: its parsed graph.
    """

    id: str
    name: str
    path: Path
    model: bytes
    graph: "Graph"


def read_library_network(model: str | None, scale: int | None) -> Network:
    """Read the int8 network that a library for edge-sr's engine is written of.

    Raises:
        UserError: the network is part of a codec, or as `read_network`.
    """
    from edge_sr.engine.plan import make_plan
    from edge_sr.graph import ratio
    from edge_sr.zoo import catalog

    _check_suffix(model)
    meant = catalog.resolve(model, scale)
    codec = meant.entry is not None and meant.entry.kind == "codec"
    if not codec:
        network = read_network(model, scale)
        with contextlib.suppress(UserError):  # a network that does not stream is no encoder
            make_plan(network.graph)
            codec = ratio(network.graph) < 1
    if codec:
        raise UserError(
            f"{meant.id} is not an upscaler, and `edge-sr firmware export` takes upscalers; "
            "`edge-sr firmware build` makes firmware of an encoder"
        )
    return network


def read_network(model: str | None, scale: int | None, rate: int | None = None) -> Network:
    """Read the int8 network that a command's options mean; of a codec its encoder.

    Raises:
        UserError: no network has that name, the file is not an int8 .tflite, or it has another
            scale or rate.
    """
    from edge_sr import graph
    from edge_sr.graph import read_bytes, read_graph
    from edge_sr.zoo import catalog

    _check_suffix(model)
    meant = catalog.resolve(model, scale, rate)
    path = _int8_file(meant)
    network = read_graph(path)
    if meant.entry is None and scale is not None and graph.scale(network) != scale:
        raise UserError(f"{model} upscales x{graph.scale(network)}, not x{scale}")
    if rate is not None and graph.ratio(network) ** 2 * rate != 1:
        raise UserError(f"{model} is not an encoder of rate {rate}; leave --rate out")
    name = path.stem if meant.entry is None else path.parent.name
    if meant.entry is not None and meant.entry.kind == "codec":
        name = f"{name}/encoder"
    return Network(name, name.replace("/", "-"), path, read_bytes(path), network)


def open_coding(
    model: str | None,
    quality: float | None,
    ratios: tuple[int | None, int | None] = (None, None),
) -> "Coding | None":
    """Open the codec with qualities that a name means, at a quality; None if it means another.

    Args:
        model: as the command line names it: "cae", an id, or a folder.
        quality: 1 to 10; None for the default one.
        ratios: the scale and the rate, as options name them.

    Raises:
        UserError: the quality is out of range, or the network has none.
    """
    from edge_sr.zoo import catalog

    name = _with_qualities(model, ratios)
    if name is None:
        if quality is not None:
            raise UserError(f"{model or catalog.DEFAULT_MODEL} has no qualities; omit --quality")
        return None
    from edge_sr.codec import opening

    ladder = opening.find_ladder(name)
    return ladder.at(ladder.default if quality is None else quality)


def _with_qualities(model: str | None, ratios: tuple[int | None, int | None]) -> str | None:
    """Return the name of the codec with qualities that options mean; None if they mean another."""
    from edge_sr.zoo import catalog

    if model is None or model == catalog.LEARNED:
        return model
    _check_suffix(model)
    meant = catalog.resolve(model, *ratios)
    entry = meant.entry
    if entry is None or entry.kind != "codec" or not entry.has_qualities or meant.part == "decoder":
        return None
    return entry.id if entry.is_shipped else str(entry.folder)


def read_encoder(coding: "Coding") -> Network:
    """Return the int8 encoder of a codec at one quality.

    Raises:
        UserError: the codec has no encoder, or one without qualities.
    """
    from edge_sr.codec import context, places
    from edge_sr.codec.quality import PLACE_STEPS
    from edge_sr.graph import read_graph

    codec = coding.codec
    assert codec.encoder is not None  # `find_ladder` opens it
    ratios = context.gain_ratios(codec.master, coding.place / PLACE_STEPS)
    model = places.encoder_at(codec.encoder, ratios)
    name = codec.id.removesuffix("-int8")
    return Network(f"{name}/encoder", f"{name}-encoder", Path(name), model, read_graph(model))


def at_size(network: Network, width: int | None, height: int | None = None) -> Network:
    """Return the network at the size that options name; one that streams takes any.

    Raises:
        UserError: it takes another size only.
    """
    from edge_sr.graph import read_graph
    from firmware_harness import frames

    model = frames.at_size(network.model, width, height)
    if model == network.model:
        return network
    return dataclasses.replace(network, model=model, graph=read_graph(model))


def _check_suffix(model: str | None) -> None:
    """Refuse a file that is not a .tflite; an id has no suffix."""
    path = Path(model or "")
    suffix = path.suffix.lower()
    if suffix in SUFFIXES[1:] or (suffix not in ("", ".tflite") and path.is_file()):
        raise UserError(f"firmware is made from an int8 .tflite, not from {path}")


def _int8_file(meant: "catalog.Network") -> Path:
    """Return the .tflite that firmware is made from."""
    if meant.path is not None:
        return meant.path
    assert meant.entry is not None
    if meant.part == "decoder":
        raise UserError(
            f"firmware is made from a codec's encoder, not from {meant.id}; name "
            f"{meant.entry.id}/encoder"
        )
    path = meant.entry.file("int8", part=meant.part or "encoder")
    if not path.is_file():
        raise UserError(f"{meant.entry.id} has no int8 networks; firmware needs int8")
    return path


def open_codec(encoder: Path, decoder: Path | None) -> "Codec":
    """Open an encoder with its decoder and check that both belong together.

    Args:
        encoder: its .tflite.
        decoder: its .tflite; None: the one in the encoder's folder.

    Raises:
        UserError: the decoder is missing or does not belong to the encoder.
    """
    from edge_sr.codec import opening
    from edge_sr.zoo.catalog import Entry

    if decoder is not None:
        return opening.open_parts(encoder, decoder, _own_id(decoder))
    if encoder.name != Entry(encoder.parent).file("int8", part="encoder").name:
        raise UserError(
            f"files name the decoder that reads them: name that of {encoder} with --decoder, or "
            "put both into one folder as encoder-int8.tflite and decoder-int8.tflite"
        )
    return opening.find(model=str(encoder.absolute().parent))


def _own_id(decoder: Path) -> str:
    """Return the network id that files carry for a decoder outside a codec's folder."""
    from edge_sr.codec.header import ID_BYTES

    return "".join(c if c.isascii() and c.isprintable() else "_" for c in decoder.stem)[:ID_BYTES]
