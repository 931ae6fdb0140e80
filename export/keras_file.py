"""Exports a user's own Keras network: a .keras file of images, quantized on representative images.

The converter's defaults are used: post-training quantization to int8, ranges from the images.
"""

import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edge_sr import graph
from edge_sr.classification import fit
from edge_sr.data.images import list_images, read_image
from edge_sr.errors import UserError, VerificationError, require_all
from edge_sr.files import check_folder, check_is_file
from edge_sr.models.namespaces import import_keras
from edge_sr.quiet import quiet_native
from edge_sr.runtime.obstacles import advice
from edge_sr.runtime.pixels import BYTES, RANGES, UNIT, PixelRange
from export import manifest
from export.c import write_c
from export.placement import check_target, put_in_place, staging_folder
from export.verify import check_c

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
            network that first divides by 255 or so in a Rescaling layer, else 0..1.
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
            network without a vector of scores as its only output.
        mean_difference: mean difference from Keras' output, as a share of its largest value, of
            the output that differs most; None without images.
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
    _refuse_loops(keras, model, request.path)
    pixels = request.pixels or _range_of(keras, model, request.path)
    inputs = [] if request.images is None else _read(request.images, shape, pixels)
    tflite = _in_order(_convert(keras, model, shape, inputs, request.int8), model)
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


_KEEPING = (
    *("Resizing", "CenterCrop", "Cropping2D", "ZeroPadding2D", "Reshape", "Permute", "Identity"),
    *("Dropout", "SpatialDropout2D", "InputLayer"),
)
"""Layers that keep the values of pixels; so do those that augment images, named Random..."""

_MOST_PER_BYTE = 0.02
"""The largest scale of a Rescaling layer that takes pixels of 0..255; 1/127.5 is half of it."""


def _range_of(keras: Any, model: Any, path: Path) -> PixelRange:
    """The range of pixels that the first layers tell: 0..255 if they divide by 255, else 0..1.

    Raises:
        UserError: layers tell that the network rescales pixels, but not from what.
    """
    layers = [layer for layer in _leaves(keras, model) if not _keeps_pixels(layer)]
    if layers and isinstance(layers[0], keras.layers.Rescaling):
        return BYTES if np.max(np.abs(layers[0].scale)) <= _MOST_PER_BYTE else UNIT
    changing = (keras.layers.Rescaling, keras.layers.Normalization)
    found = [layer.name for layer in layers if isinstance(layer, changing)]
    first = layers[0] if layers else None
    if first is not None and not isinstance(first, keras.layers.Layer):
        found.insert(0, first.name)
    if found:
        raise UserError(
            f"{path} rescales pixels in {found[0]!r}, which does not tell their range; state it "
            f"with --input-range: {', '.join(RANGES)}"
        )
    return UNIT


def _leaves(keras: Any, model: Any) -> Iterator[Any]:
    """Yield the layers and operations of a model in their order, those of nested models too."""
    for operation in getattr(model, "operations", model.layers):
        if isinstance(operation, keras.Model):
            yield from _leaves(keras, operation)
        else:
            yield operation


def _keeps_pixels(layer: Any) -> bool:
    name = type(layer).__name__
    return name in _KEEPING or name.startswith("Random")


def _refuse_loops(keras: Any, model: Any, path: Path) -> None:
    """Refuse layers that loop over time; the converter makes several graphs of them, or crashes."""
    loops = [
        layer.name
        for layer in model._flatten_layers(include_self=False)
        if isinstance(layer, keras.layers.RNN) and not getattr(layer, "unroll", False)
    ]
    if loops:
        raise UserError(
            f"layer {loops[0]!r} of {path} loops over time, which is not exported; build it with "
            "unroll=True"
        )


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
            # Augmentation and dropout are for training.
            archive.add_endpoint(
                "serve", lambda image: model(image, training=False), input_signature=[signature]
            )
            archive.write_out(folder, verbose=False)
            converter = tf.lite.TFLiteConverter.from_saved_model(folder)
            if int8:
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
                converter.representative_dataset = representative
                converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
                converter.inference_input_type = tf.int8
                converter.inference_output_type = tf.int8
            return _convert_quietly(converter)
    except (ValueError, RuntimeError, TypeError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(f"Keras cannot write the network: {lines[0]}") from None


def _convert_quietly(converter: Any) -> bytes:
    """Convert; a UserError, unlike the converter's errors, does not bring its log to the screen."""
    try:
        converted: bytes = converter.convert()
    except Exception as error:  # ConverterError and others, which have no common base
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        named = [line for line in lines if line.startswith(("TF Select ops:", "Custom ops:"))]
        reason = (named or lines or [type(error).__name__])[0][:200]
        raise UserError(f"the TFLite converter cannot convert the network: {reason}") from None
    return converted


def _in_order(tflite: bytes, model: Any) -> bytes:
    """Give the outputs the order that they have in Keras; the converter orders them anew."""
    parsed = schema.ModelT.InitFromPackedBuf(tflite)
    if len(model.outputs) == 1 or len(parsed.subgraphs) != 1 or len(parsed.signatureDefs) != 1:
        return tflite
    named = {each.name.decode(): each.tensorIndex for each in parsed.signatureDefs[0].outputs}
    structure = model.output
    keys = (
        list(structure)
        if isinstance(structure, dict)
        else [f"output_{index}" for index in range(len(model.outputs))]
    )
    if sorted(keys) != sorted(named):
        raise VerificationError(f"the converter names the outputs {sorted(named)}, not {keys}")
    parsed.subgraphs[0].outputs = [named[key] for key in keys]
    builder = flatbuffers.Builder(len(tflite))
    builder.Finish(parsed.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _check_integer(tflite: bytes) -> None:
    """Refuse a network of which the converter left a part in floats.

    Raises:
        UserError: the text names a tensor of that part, and an operator.
    """
    network = graph.read_graph(tflite)
    floats = graph.not_integer(network)
    if floats:
        more = f" (and {len(floats) - 1} more)" if len(floats) > 1 else ""
        raise UserError(
            f"the network does not become fully integer: {floats[0]}{more}; {advice(network)}"
        )


def _write(
    tflite: bytes, name: str, formats: Sequence[str], folder: Path, int8: bool
) -> tuple[str, ...]:
    """Write and check all files; return notes on the checks."""
    path = folder / f"{name}.tflite"
    path.write_bytes(tflite)
    if int8:
        _check_integer(tflite)
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
        On how many images both name the same class, None if the output is no vector or not the only
        one; and the mean difference of the values of an output, as a share of its largest: that of
        the output that differs most. None without images.

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
        ours = [_run(interpreter, image) for image in inputs]
    except (ValueError, RuntimeError) as error:
        raise VerificationError(f"the converted network does not run in LiteRT: {error}") from None
    with quiet_native():
        theirs = [_outputs(model(image, training=False)) for image in inputs]
    pairs = zip(zip(*ours, strict=True), zip(*theirs, strict=True), strict=True)
    difference = max(_difference(a, b) for a, b in pairs)
    if len(theirs[0]) > 1 or theirs[0][0].ndim != 2 or theirs[0][0].shape[1] < 2:
        return None, difference
    same = [int(a[0].argmax() == b[0].argmax()) for a, b in zip(ours, theirs, strict=True)]
    return sum(same), difference


def _difference(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> float:
    """The mean difference on all images, as a share of Keras' largest value."""
    largest = max(float(np.abs(each).max()) for each in theirs) or 1.0
    means = [np.abs(a - b).mean() for a, b in zip(ours, theirs, strict=True)]
    return float(np.mean(means)) / largest


def _run(interpreter: Any, image: np.ndarray) -> list[np.ndarray]:
    (source,) = interpreter.get_input_details()
    interpreter.set_tensor(source["index"], _quantize(image, source))
    interpreter.invoke()
    values = []
    for target in interpreter.get_output_details():
        stored = interpreter.get_tensor(target["index"])
        scale, zero_point = target["quantization"]
        is_float = target["dtype"] == np.float32
        values.append(stored if is_float else (stored.astype(np.float32) - zero_point) * scale)
    return values


def _quantize(image: np.ndarray, source: Any) -> np.ndarray:
    if source["dtype"] == np.float32:
        return image
    scale, zero_point = source["quantization"]
    limits = np.iinfo(source["dtype"])
    stored = np.rint(image / scale) + zero_point
    return np.clip(stored, limits.min, limits.max).astype(source["dtype"])


def _outputs(output: Any) -> list[np.ndarray]:
    """Return the outputs of a Keras network as arrays."""
    values = output.values() if isinstance(output, dict) else output
    values = values if isinstance(output, dict | list | tuple) else [output]
    return [value.numpy() for value in values]
