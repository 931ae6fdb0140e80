"""`edge-sr export my.keras`: a user's own Keras network as int8 .tflite and C."""

from pathlib import Path
from typing import TYPE_CHECKING

from edge_sr.cli.common import print_markdown, range_of

if TYPE_CHECKING:
    from edge_sr.graph import Graph, Tensor
    from export.keras_file import Export, Request


def is_keras(name: str | None) -> bool:
    """Return whether a MODEL is a file that Keras has saved."""
    return name is not None and name.lower().endswith(".keras")


def request_of(
    name: str, images: Path | None, size: str | None, input_range: str | None, int8: bool
) -> "Request":
    """Return what the options say of an export.

    Raises:
        UserError: a size or range is none.
    """
    from edge_sr.sizes import parse_size
    from export import keras_file

    side = keras_file.MAX_SIDE
    return keras_file.Request(
        path=Path(name),
        images=images,
        size=None if size is None else parse_size(size, side),
        pixels=range_of(input_range),
        int8=int8,
    )


def export_keras(request: "Request", formats: list[str], out: Path | None, force: bool) -> None:
    """Export a .keras file, and print a table of the network.

    Raises:
        UserError: as `export.keras_file.export`.
    """
    from export import keras_file

    name = keras_file.name_of(request)
    folder = out or Path("artifacts") / name
    done = keras_file.export(request, folder, formats, force)
    print_markdown(["export", f"{folder}"], _rows(done))


def _rows(done: "Export") -> list[tuple[str, str]]:
    from edge_sr import graph

    network = graph.read_graph(done.tflite)
    operators = ", ".join(dict.fromkeys(operator.name for operator in network.operators))
    return [
        ("parameters", f"{graph.parameters(network):,}"),
        ("MACs per frame", f"{graph.macs(network):,}"),
        *((f"file {name}", f"{size:,} bytes") for name, size in done.files),
        ("operators", operators),
        *((role, _tensor(tensor)) for role, tensor in _ends(network)),
        ("pixels", f"{done.pixels}; --input-range states another range"),
        *_agreement(done),
        *(("note", note) for note in done.notes),
    ]


def _ends(network: "Graph") -> "list[tuple[str, Tensor]]":
    outputs = [network.tensors[index] for index in network.outputs]
    if len(outputs) == 1:
        return [("input", network.input), ("output", outputs[0])]
    numbered = [(f"output {number}", tensor) for number, tensor in enumerate(outputs)]
    return [("input", network.input), *numbered]


def _tensor(tensor: "Tensor") -> str:
    text = f"{tensor.dtype} {list(tensor.shape)}"
    if tensor.quantization is None:
        return text
    (scale, *_), (zero_point, *_) = tensor.quantization.scale, tensor.quantization.zero_point
    return f"{text}, scale {scale:.9g}, zero point {zero_point}"


def _agreement(done: "Export") -> list[tuple[str, str]]:
    """Return how the network's output differs from Keras', on the representative images."""
    rows = []
    if done.agreeing is not None:
        rows.append(("same class as Keras", f"{done.agreeing} of {done.images} images"))
    if done.mean_difference is not None:
        text = f"{done.mean_difference:.2%} of the largest value, mean of {done.images} images"
        rows.append(("difference from Keras", text))
    return rows
