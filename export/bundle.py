"""Composes an export: all files of it, verified, appear in a folder together or not at all."""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import platform
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import edge_sr
from edge_sr import graph
from edge_sr.errors import UserError, require
from edge_sr.runtime import arena
from export import manifest, verify
from export.c import write_c
from export.manifest import CodecScore, Manifest, Score, TensorRecord
from export.onnx import from_tflite

_SUFFIXES = {"tflite": (".tflite",), "onnx": (".onnx",), "c": (".c", ".h")}
FORMATS = tuple(_SUFFIXES)
MANIFEST = "manifest.json"

_TOOLS = (
    *("ai-edge-litert", "keras", "numpy", "onnx", "onnxruntime", "scikit-image", "tensorflow"),
    *("tensorflow-model-optimization", "tf_keras", "tflite-micro"),
)


@dataclass(frozen=True)
class Source:
    """What an export is made of.

    Attributes:
        tflite: the converted network.
        model: its architecture's name.
        precision: "int8" or "float32".
        quality: its measured quality, empty where it is not known.
        other: of a codec's part, the .tflite of the other one, for verification.
        passes: how often the network applies the same weights.
        codec_quality: the measured quality of its codec, empty where it is not known.
    """

    tflite: bytes
    model: str
    precision: Literal["int8", "float32"]
    quality: tuple[Score, ...] = ()
    other: bytes | None = None
    passes: int = 1
    codec_quality: tuple[CodecScore, ...] = ()


def check_formats(formats: Sequence[str]) -> None:
    """Raise UserError unless all formats exist."""
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        problem = f"there is no format {unknown[0]!r}" if unknown else "no format is named"
        raise UserError(f"{problem}; there are {', '.join(FORMATS)}")


def check_packages(formats: Sequence[str]) -> None:
    """Raise UserError where a package is missing that writing or verifying the files needs."""
    needed = [("skimage", "train")]
    if "onnx" in formats:
        needed += [("onnx", "onnx"), ("onnxruntime", "onnx")]
    for package, extra in needed:
        if importlib.util.find_spec(package) is None:
            require(package, extra)


def check_target(folder: Path, name: str, formats: Sequence[str], force: bool) -> None:
    """Refuse a folder that is something else, or that holds what would be overwritten.

    Raises:
        UserError: with what to do about it.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{folder} is a file; --out names a folder")
        present = [entry for entry in _file_names(name, formats) if (folder / entry).exists()]
        blocked = [entry for entry in present if (folder / entry).is_dir()]
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}") from None
    if present and not force:
        raise UserError(f"{folder} has {present[0]} already; --force replaces it")
    if blocked:
        raise UserError(f"{folder / blocked[0]} is a folder, where a file is to be written")
    _previous_files(folder)


def write(
    source: Source, name: str, formats: Sequence[str], folder: Path, force: bool = False
) -> Manifest:
    """Write, verify and put in place.

    Args:
        source: the network and what is known of it.
        name: base name of the files; letters, digits, "-" and "_".
        formats: some of `FORMATS`.
        folder: where to; made if it does not exist. Other files in it stay.
        force: whether an earlier export in that folder is replaced.

    Raises:
        UserError: unknown format, folder not writable or occupied, an extra missing.
        VerificationError: the network is not fully integer, or a file fails its check.
    """
    check_formats(formats)
    if not manifest.is_plain_name(name):
        raise UserError(f"{name!r} cannot name files; use letters, digits, '-' and '_'")
    check_target(folder, name, formats, force)
    with _workplace(folder) as scratch:
        _write_files(source.tflite, name, formats, scratch)
        verification = verify.verify(scratch, name, source.precision, source.other)
        if "tflite" not in formats:
            (scratch / f"{name}.tflite").unlink()
        result = _describe(source, name, scratch, verification)
        (scratch / MANIFEST).write_text(manifest.dumps(result), encoding="utf-8")
        _put_in_place(scratch, folder)
    return result


def _file_names(name: str, formats: Sequence[str]) -> list[str]:
    suffixes = [suffix for kind in formats for suffix in _SUFFIXES[kind]]
    return [MANIFEST, *(name + suffix for suffix in suffixes)]


def _write_files(tflite: bytes, name: str, formats: Sequence[str], folder: Path) -> None:
    """Write all files but the manifest; the .tflite always, as the others are checked by it."""
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
    """Versions of what takes part in an export, by the names of their packages."""
    versions = {"edge-sr": edge_sr.__version__, "python": platform.python_version()}
    for package in _TOOLS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions


@contextlib.contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """A hidden folder inside `folder`, so that moving out of it is a rename.

    It is removed at the end, and after a failure so is every folder that was made for it.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".edge-sr-export-", dir=folder))
    except OSError as error:
        _remove_empty(missing)
        raise UserError(f"cannot write to {folder}: {error.strerror}") from None
    try:
        yield scratch
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        _remove_empty(missing)
        raise
    shutil.rmtree(scratch, ignore_errors=True)


def _remove_empty(folders: Sequence[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _previous_files(folder: Path) -> list[str]:
    """The files of an earlier export in `folder`, so far as they are still there.

    Raises:
        UserError: there is a manifest.json of something else.
    """
    if not (folder / MANIFEST).exists():
        return []
    try:
        name = manifest.read(folder / MANIFEST).name
    except UserError as error:
        raise UserError(f"{folder} has a {MANIFEST} of something else ({error})") from None
    return [entry for entry in _file_names(name, FORMATS) if (folder / entry).is_file()]


def _put_in_place(scratch: Path, folder: Path) -> None:
    """Move the new files in and the earlier export out; if that fails, everything goes back."""
    new = sorted(path.name for path in scratch.iterdir())
    old = {*_previous_files(folder), *(name for name in new if (folder / name).exists())}
    aside = scratch / "previous"
    aside.mkdir()
    moves = [(folder / name, aside / name) for name in sorted(old)]
    moves += [(scratch / name, folder / name) for name in new]
    done: list[tuple[Path, Path]] = []
    try:
        for source, target in moves:
            source.rename(target)
            done.append((source, target))
    except BaseException as error:
        for source, target in reversed(done):
            target.rename(source)
        if isinstance(error, OSError):
            raise UserError(f"cannot write to {folder}: {error.strerror}") from None
        raise
