"""Which network the options of a firmware command mean, and which decoder an encoder needs."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_sr.cli.common import choose, known_scale
from edge_sr.errors import UserError

if TYPE_CHECKING:
    from edge_sr.codec.network import Network as Codec
    from edge_sr.graph import Graph
    from edge_sr.zoo.codecs import Codec as ShippedCodec

FAMILY = "tinycompress"
ENCODER = f"{FAMILY}-encoder"
"""The name of the shipped encoders; a rate chooses one of them."""

DEFAULT_RATE = 16


@dataclass(frozen=True)
class Network:
    """A network to make firmware of.

    Attributes:
        name: for people and for folders.
        path: its file.
        model: the content of the .tflite.
        graph: its parsed graph.
    """

    name: str
    path: Path
    model: bytes
    graph: "Graph"


def read_network(model: str, scale: int | None, rate: int | None = None) -> Network:
    """Read the network that a command's options mean.

    Raises:
        UserError: the model is unknown, is not a .tflite, or has another scale or rate.
    """
    from edge_sr import graph
    from edge_sr.graph import read_bytes, read_graph

    encoder = shipped(model, rate)
    if encoder is not None:
        return _read_encoder(encoder)
    artifact = choose(model, scale, "litert", True)
    if artifact.path.suffix.lower() != ".tflite":
        raise UserError(f"firmware is made from an int8 .tflite, not from {artifact.path}")
    network = read_graph(artifact.path)
    shipped_model = artifact.name != artifact.path.name
    if not shipped_model and scale is not None and graph.scale(network) != scale:
        raise UserError(f"{model} upscales x{graph.scale(network)}, not x{scale}")
    name = f"{model}-x{known_scale(scale)}" if shipped_model else artifact.path.stem
    if rate is not None and graph.ratio(network) ** 2 * rate != 1:
        raise UserError(f"{model} is no encoder of rate {rate}; leave --rate out")
    return Network(name, artifact.path, read_bytes(artifact.path), network)


def _read_encoder(path: Path) -> Network:
    from edge_sr.graph import read_bytes, read_graph

    model = read_bytes(path)
    return Network(f"{path.parent.name}-encoder", path, model, read_graph(model))


def shipped(model: str, rate: int | None) -> Path | None:
    """Return the shipped int8 encoder that a name means; None if the name is not a codec's.

    Raises:
        UserError: the codec is unknown, has another rate or has no int8 encoder.
    """
    codec = _named(model, rate)
    if codec is None:
        return None
    if rate not in (None, codec.card["rate"]):
        raise UserError(f"{codec.name} has rate {codec.card['rate']}, not {rate}")
    encoder = codec.part("encoder", "int8")
    if not encoder.is_file():
        raise UserError(f"{codec.name} has no int8 networks here; firmware is made of int8 alone")
    return encoder


def _named(model: str, rate: int | None) -> "ShippedCodec | None":
    """Return the codec with this name or this encoder name; None if it is not a codec's."""
    from edge_sr.zoo import codecs

    names = {FAMILY, *(codec.name for codec in codecs.entries())}
    name = model.removesuffix("-decoder")
    if model == FAMILY or (name != model and name in names):
        raise UserError(
            f"firmware is made of a codec's encoder, and {model} is none; name {name}-encoder"
        )
    name = model.removesuffix("-encoder")
    if name not in names:
        return None
    if name == FAMILY:
        name = f"{codecs.PREFIX}{DEFAULT_RATE if rate is None else rate}"
    return codecs.find(name)


def open_codec(encoder: Path, decoder: Path | None) -> "Codec":
    """Open an encoder with its decoder and check that both belong together.

    Args:
        encoder: its .tflite.
        decoder: its .tflite; None: the one in the encoder's folder.

    Raises:
        UserError: the decoder is missing or does not belong to the encoder.
    """
    from edge_sr.codec import network as networks
    from edge_sr.zoo.codecs import Codec

    if decoder is not None:
        return networks.open_parts(encoder, decoder, _own_id(decoder))
    if encoder.name != Codec(encoder.parent).part("encoder", "int8").name:
        raise UserError(
            f"files must name the decoder that reads them; what belongs to {encoder} is told by "
            "--decoder, unless both lie in one folder as encoder-int8.tflite and "
            "decoder-int8.tflite"
        )
    return networks.find(model=str(encoder.absolute().parent))


def _own_id(decoder: Path) -> str:
    """Return the network id that files carry for a decoder outside a codec's folder."""
    from edge_sr.codec.header import ID_BYTES

    return "".join(c if c.isascii() and c.isprintable() else "_" for c in decoder.stem)[:ID_BYTES]
