"""Writes an export: all its files, verified, appear in a folder together or not at all."""

import contextlib
import hashlib
import importlib.metadata
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from edge_sr import graph
from edge_sr.errors import UserError, require_all
from edge_sr.runtime import arena
from edge_sr.version import __version__
from export import manifest, verify
from export.c import write_c
from export.manifest import CodecScore, Manifest, Score, TensorRecord
from export.onnx import from_tflite
from export.placement import FORMATS, MANIFEST, check_target, put_in_place, staging_folder

_TOOLS = (
    *("ai-edge-litert", "keras", "numpy", "onnx", "onnxruntime", "scikit-image", "tensorflow"),
    *("tensorflow-model-optimization", "tf_keras", "tflite-micro"),
)


@dataclass(frozen=True)
class Source:
    """The network to export, and what is known about it.

    Attributes:
        tflite: the converted network.
        model: name of its architecture.
        precision: "int8" or "float32".
        quality: its measured quality; empty if unknown.
        other: for a codec part, the .tflite of the other part, by which it is verified.
        passes: how many times the network applies the same weights.
        codec_quality: the measured quality of its codec; empty if unknown.
    """

    tflite: bytes
    model: str
    precision: Literal["int8", "float32"]
    quality: tuple[Score, ...] = ()
    other: bytes | None = None
    passes: int = 1
    codec_quality: tuple[CodecScore, ...] = ()


def check_formats(formats: Sequence[str]) -> None:
    """Check the names of formats.

    Raises:
        UserError: a format is unknown, or none is given.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        problem = f"unknown format {unknown[0]!r}" if unknown else "no format is given"
        raise UserError(f"{problem}; available: {', '.join(FORMATS)}")


def check_packages(formats: Sequence[str], precision: str) -> None:
    """Check that all packages are installed that converting, writing and verifying need.

    Raises:
        UserError: a package is missing.
    """
    needed = [(name, "train") for name in ("safetensors", "keras", "tensorflow", "skimage")]
    if precision == "int8":
        needed += [("tf_keras", "train"), ("tensorflow_model_optimization", "train")]
    if "onnx" in formats:
        needed += [("onnx", "onnx"), ("onnxruntime", "onnx")]
    require_all(needed)


def write(
    source: Source, name: str, formats: Sequence[str], folder: Path, force: bool = False
) -> Manifest:
    """Write an export, verify it, and put it in place.

    Args:
        source: the network and what is known of it.
        name: base name of the files; letters, digits, "-" and "_".
        formats: some of `FORMATS`.
        folder: where to; created if missing. Other files in it stay.
        force: whether an earlier export in that folder may be replaced.

    Returns:
        The manifest that was written.

    Raises:
        UserError: a format is unknown, the folder is occupied or not writable, or an extra is
            missing.
        VerificationError: the network is not fully integer, or a file fails its check.
    """
    check_formats(formats)
    if not manifest.is_plain_name(name):
        raise UserError(f"{name!r} is not a file name; use letters, digits, '-' and '_'")
    check_target(folder, name, formats, force)
    with staging_folder(folder) as scratch:
        _write_files(source.tflite, name, formats, scratch)
        verification = verify.verify(scratch, name, source.precision, source.other)
        if "tflite" not in formats:
            (scratch / f"{name}.tflite").unlink()
        result = _describe(source, name, scratch, verification)
        (scratch / MANIFEST).write_text(manifest.dumps(result), encoding="utf-8")
        put_in_place(scratch, folder)
    return result


def _write_files(tflite: bytes, name: str, formats: Sequence[str], folder: Path) -> None:
    """Write all files except the manifest; always the .tflite, by which the others are checked."""
    (folder / f"{name}.tflite").write_bytes(tflite)
    if "onnx" in formats:
        (folder / f"{name}.onnx").write_bytes(from_tflite(tflite))
    if "c" in formats:
        header, text = write_c(tflite, name)
        (folder / f"{name}.h").write_text(header, encoding="ascii", newline="\n")
        (folder / f"{name}.c").write_text(text, encoding="ascii", newline="\n")


def _describe(
    source: Source, name: str, folder: Path, verification: manifest.Verification
) -> Manifest:
    network = graph.read_graph(source.tflite)
    _, height, width, _ = network.input.shape
    return Manifest(
        schema_version=manifest.SCHEMA_VERSION,
        name=name,
        model=source.model,
        scale=_whole(graph.ratio(network)),
        precision=source.precision,
        input_height=height,
        input_width=width,
        parameters=graph.parameters(network) // source.passes,
        macs_per_lr_pixel=float(graph.macs_per_pixel(network)),
        macs_per_frame=graph.macs(network),
        halo=graph.halo(network),
        operators=tuple(manifest.OperatorVersion(*entry) for entry in graph.operators(network)),
        input=_tensor(network.input),
        output=_tensor(network.output),
        tensors=tuple(_tensor(tensor) for tensor in network.tensors),
        files=tuple(_file(path) for path in sorted(folder.iterdir())),
        tools=tool_versions(),
        quality=source.quality,
        tflm_arena=_arena(source.tflite),
        verification=verification,
        codec_quality=source.codec_quality,
    )


def _whole(ratio: Fraction) -> int | float:
    return ratio.numerator if ratio.denominator == 1 else float(ratio)


def _tensor(tensor: graph.Tensor) -> TensorRecord:
    quantization = tensor.quantization
    scales = quantization.scale if quantization else ()
    zero_points = quantization.zero_point if quantization else ()
    return TensorRecord(tensor.name, tensor.shape, tensor.dtype, scales, zero_points)


def _file(path: Path) -> manifest.FileRecord:
    data = path.read_bytes()
    return manifest.FileRecord(path.name, len(data), hashlib.sha256(data).hexdigest())


def _arena(tflite: bytes) -> manifest.Arena | None:
    if not verify.has_tflm():
        return None
    return manifest.Arena(arena.arena_bytes(tflite), arena.host_abi())


def tool_versions() -> dict[str, str]:
    """Return the versions of all packages that an export depends on, by name."""
    versions = {"edge-sr": __version__, "python": platform.python_version()}
    for package in _TOOLS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions
