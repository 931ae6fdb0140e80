"""Exports a user's own Keras network: a .keras file of images, quantized on representative images.

The converter's defaults are used: post-training quantization to int8, ranges from the images.
"""

import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_sr.classification import fit
from edge_sr.data.images import list_images, read_image
from edge_sr.errors import UserError, VerificationError, require_all
from edge_sr.files import check_folder, check_is_file
from edge_sr.models.namespaces import import_keras
from edge_sr.quiet import quiet_native
from edge_sr.runtime.pixels import BYTES, UNIT, PixelRange
from export import manifest
from export.c import write_c
from export.placement import check_target, put_in_place, staging_folder
from export.verify import check_c, check_integer

FORMATS = ("tflite", "c")
MAX_IMAGES = 200
"""More representative images change the ranges little."""

MAX_SIDE = 4096
_CHANNELS = (1, 3)


@dataclass(frozen=True)
class Request:
    """What is exported.

    Attributes:
        path: the .keras file.
        images: a folder of representative images, of any size; None only for float32.
        size: height and width, for a network that leaves them open.
        pixels: the values of black and white that the network was trained with; None: 0..255 for a
            network that starts with a Rescaling layer, else 0..1.
        int8: whether to quantize.
    """

    path: Path
    images: Path | None
    size: tuple[int, int] | None
    pixels: PixelRange | None
    int8: bool


@dataclass(frozen=True)
class Export:
    """A network that was written.

    Attributes:
        tflite: its bytes.
        files: names and sizes of what was written.
        pixels: the range of pixels that was used.
        images: how many images were converted and compared with.
        agreeing: on how many of them the network names the class that Keras names; None for a
            network whose output is no vector of scores.
        mean_difference: mean difference from Keras' outputs, as a share of their largest value;
            None without images, and for a network of several outputs.
        notes: what else was checked.
    """

    tflite: bytes
    files: tuple[tuple[str, int], ...]
    pixels: PixelRange
    images: int
    agreeing: int | None
    mean_difference: float | None
    notes: tuple[str, ...]


def name_of(request: Request) -> str:
    """Return the base name of an export's files: cats-int8 for cats.keras.

    Raises:
        UserError: the file's name has other characters than letters, digits, ".", "-" and "_".
    """
    name = f"{request.path.stem}-{'int8' if request.int8 else 'float32'}"
    if not manifest.is_plain_name(name):
        raise UserError(
            f"{request.path.stem!r} cannot name files; rename {request.path}: letters, digits, "
            "'.', '-' and '_'"
        )
    return name


def export(request: Request, folder: Path, formats: Sequence[str], force: bool = False) -> Export:
    """Convert a .keras file, write all files and compare the network with Keras'.

    Args:
        request: what is exported.
        folder: where to; made if it is missing.
        formats: some of `FORMATS`.
        force: whether files of that name are replaced.

    Raises:
        UserError: the file is no Keras network of one image, images are missing, or the folder is
            occupied.
        VerificationError: the converted network is not fully integer, or does not run.
    """
    _check(request, formats)
    name = name_of(request)
    check_target(folder, name, formats, force)
    check_folder(folder)
    require_all([("keras", "train"), ("tensorflow", "train")])
    keras = _keras()
    model = _load(keras, request.path)
    shape = _image_shape(request, model)
    pixels = request.pixels or (BYTES if _rescales(keras, model) else UNIT)
    inputs = [] if request.images is None else _read(request.images, shape, pixels)
    tflite = _convert(keras, model, shape, inputs, request.int8)
    with staging_folder(folder) as scratch:
        notes = _write(tflite, name, formats, scratch, request.int8)
        files = tuple((path.name, path.stat().st_size) for path in sorted(scratch.iterdir()))
        agreeing, difference = _compare(model, tflite, inputs)
        put_in_place(scratch, folder)
    return Export(tflite, files, pixels, len(inputs), agreeing, difference, notes)


def _check(request: Request, formats: Sequence[str]) -> None:
    """Check what needs no Keras, which takes seconds to import."""
    check_is_file(request.path, "a Keras network (.keras)")
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        problem = f"the format {unknown[0]!r} is not written" if unknown else "no format is given"
        raise UserError(f"{problem} of a .keras file; available: {', '.join(FORMATS)}")
    if request.int8 and request.images is None:
        raise UserError(
            f"quantizing {request.path} needs images like those that it will see: name a folder "
            "of them with --images, or write --float32"
        )
    if request.images is not None:
        list_images(request.images)


def _keras() -> Any:
    keras = import_keras()
    if keras.backend.backend() != "tensorflow":
        raise UserError("export needs TensorFlow as Keras' backend; set KERAS_BACKEND=tensorflow")
    return keras


def _load(keras: Any, path: Path) -> Any:
    """Load a .keras file; code in it is not executed."""
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path} is not a .keras file, which is the zip that model.save() writes")
    try:
        with quiet_native():
            return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # of whatever a damaged or foreign file makes Keras raise
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = (lines or [type(error).__name__])[0].rstrip(".")
        raise UserError(f"Keras cannot load {path}: {reason[:200]}") from None


def _image_shape(request: Request, model: Any) -> tuple[int, int, int]:
    """Height, width and channels of the only input.

    Raises:
        UserError: the network does not take one image; the text says what it takes.
    """
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) != 1:
        raise UserError(
            f"{request.path} is not a network of one image: it has {len(inputs)} inputs"
        )
    shape = tuple(inputs[0].shape)
    if len(shape) != 4 or shape[3] not in _CHANNELS:
        raise UserError(
            f"{request.path} is not a network of images: its input {inputs[0].name!r} is of shape "
            f"{shape}, and an image is (None, height, width, 1) or (None, height, width, 3)"
        )
    height, width, channels = shape[1:]
    if request.size is not None:
        if (height or request.size[0], width or request.size[1]) != request.size:
            raise UserError(f"{request.path} takes {width}x{height} only; leave --size out")
        height, width = request.size
    if height is None or width is None:
        raise UserError(f"{request.path} takes images of any size; state one with --size")
    if max(height, width) > MAX_SIDE:
        raise UserError(f"{request.path} takes {width}x{height}; sides are at most {MAX_SIDE}")
    return height, width, channels


def _rescales(keras: Any, model: Any) -> bool:
    """Whether the first layer that computes something is a Rescaling layer."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        if isinstance(layer, keras.Model):
            return _rescales(keras, layer)
        return isinstance(layer, keras.layers.Rescaling)
    return False


def _read(folder: Path, shape: tuple[int, int, int], pixels: PixelRange) -> list[np.ndarray]:
    """Read images spread over the folder, as float32 (1,H,W,C) in the range of pixels."""
    height, width, channels = shape
    paths = list_images(folder)
    step = max(1, len(paths) / MAX_IMAGES)
    chosen = [paths[int(index * step)] for index in range(min(len(paths), MAX_IMAGES))]
    span = pixels.high - pixels.low
    return [
        (
            fit(read_image(path).pixels, (height, width), channels) * (span / 255) + pixels.low
        ).astype(np.float32)[np.newaxis]
        for path in chosen
    ]


def _convert(
    keras: Any, model: Any, shape: tuple[int, int, int], inputs: list[np.ndarray], int8: bool
) -> bytes:
    """Convert at a batch of 1, with the converter's defaults."""
    import tensorflow as tf

    def representative() -> Iterator[list[np.ndarray]]:
        yield from ([image] for image in inputs)

    try:
        with quiet_native(), tempfile.TemporaryDirectory() as folder:
            archive = keras.export.ExportArchive()
            archive.track(model)
            signature = tf.TensorSpec((1, *shape), tf.float32, name="image")
            archive.add_endpoint("serve", model.call, input_signature=[signature])
            archive.write_out(folder, verbose=False)
            converter = tf.lite.TFLiteConverter.from_saved_model(folder)
            if int8:
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
                converter.representative_dataset = representative
                converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
                converter.inference_input_type = tf.int8
                converter.inference_output_type = tf.int8
            converted: bytes = converter.convert()
    except (ValueError, RuntimeError, TypeError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(f"the TFLite converter cannot convert the network: {lines[0]}") from None
    return converted


def _write(
    tflite: bytes, name: str, formats: Sequence[str], folder: Path, int8: bool
) -> tuple[str, ...]:
    """Write and check all files; return notes on the checks."""
    path = folder / f"{name}.tflite"
    path.write_bytes(tflite)
    if int8:
        check_integer(path)
    if "c" not in formats:
        return ()
    header, text = write_c(tflite, name)
    (folder / f"{name}.h").write_text(header, encoding="ascii", newline="\n")
    (folder / f"{name}.c").write_text(text, encoding="ascii", newline="\n")
    notes = (check_c(folder, name),)
    if "tflite" not in formats:
        path.unlink()
    return notes


def _compare(
    model: Any, tflite: bytes, inputs: list[np.ndarray]
) -> tuple[int | None, float | None]:
    """Compare the outputs on all images with those of Keras.

    Returns:
        On how many images both name the same class, None if the output is no vector; and the mean
        difference of all values, as a share of the largest, None if there are several outputs.

    Raises:
        VerificationError: LiteRT cannot run the network.
    """
    from ai_edge_litert.interpreter import Interpreter

    if not inputs:
        return None, None
    try:
        with quiet_native():
            interpreter = Interpreter(model_content=tflite)
            interpreter.allocate_tensors()
        if len(interpreter.get_output_details()) != 1:
            return None, None
        ours = [_run(interpreter, image) for image in inputs]
    except (ValueError, RuntimeError) as error:
        raise VerificationError(f"the converted network does not run in LiteRT: {error}") from None
    with quiet_native():
        theirs = [_only(model(image, training=False)) for image in inputs]
    largest = max(float(np.abs(each).max()) for each in theirs) or 1.0
    difference = float(
        np.mean([np.abs(a - b).mean() for a, b in zip(ours, theirs, strict=True)]) / largest
    )
    if theirs[0].ndim != 2 or theirs[0].shape[1] < 2:
        return None, difference
    same = [int(a.argmax() == b.argmax()) for a, b in zip(ours, theirs, strict=True)]
    return sum(same), difference


def _run(interpreter: Any, image: np.ndarray) -> np.ndarray:
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.set_tensor(source["index"], _quantize(image, source))
    interpreter.invoke()
    values = interpreter.get_tensor(target["index"])
    if target["dtype"] == np.float32:
        return values
    scale, zero_point = target["quantization"]
    return (values.astype(np.float32) - zero_point) * np.float32(scale)


def _quantize(image: np.ndarray, source: Any) -> np.ndarray:
    if source["dtype"] == np.float32:
        return image
    scale, zero_point = source["quantization"]
    limits = np.iinfo(source["dtype"])
    stored = np.rint(image / scale) + zero_point
    return np.clip(stored, limits.min, limits.max).astype(source["dtype"])


def _only(output: Any) -> np.ndarray:
    """Return the only output of a Keras network as an array."""
    while isinstance(output, dict | list | tuple):
        output = next(iter(output.values() if isinstance(output, dict) else output))
    values: np.ndarray = output.numpy()
    return values
