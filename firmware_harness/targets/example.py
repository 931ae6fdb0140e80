"""What a library's example runs: a built-in frame or noise for all inputs, and the checksum."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edge_sr.errors import UserError
from edge_sr.graph import Tensor

MAX_BYTES = 2**20
"""The largest frame in bytes; its C source is five times as long."""

_BYTES_PER_LINE = 16

_NOISE_TYPES = ("int8", "uint8", "int16")


@dataclass(frozen=True)
class Example:
    """What an example runs.

    Attributes:
        kinds: the template folders of its sources, the last one of those that use the runtime:
            "rows", "classify" or "tensors".
        run: its name, as a verb: "upscale", "classify" or "infer".
        size: of the input, for people.
        checksum: the CRC-32 of all output bytes.
        fields: values for templates, by placeholder.
        facts: for the library's `edge-sr.json`.
    """

    kinds: tuple[str, ...]
    run: str
    size: str
    checksum: int
    fields: Mapping[str, str]
    facts: Mapping[str, object]


def frame_example(frame: np.ndarray, output: np.ndarray) -> Example:
    """Return the example of an upscaler.

    Args:
        frame: the input, (H, W, C) int8.
        output: the expected output, (H', W', C') int8.
    """
    fields = {
        "RUN_FRAME": "Upscale the built-in test frame",
        "RUNS_TITLE": "Upscales a built-in frame",
        "RUNS": "upscales a built-in frame",
        "KEYWORD": "super-resolution",
        "DONE": "%ux%u upscaled",
        "DONE_VALUES": "TEST_FRAME_WIDTH, TEST_FRAME_HEIGHT",
    }
    return _frame_example("rows", "upscale", frame, output, fields)


def classifier_example(frame: np.ndarray, output: np.ndarray) -> Example:
    """Return the example of a network of one size whose output is a vector of scores.

    Args:
        frame: the input, (H, W, C) int8.
        output: the expected output, (1, 1, N) int8.
    """
    fields = {
        "RUNS_TITLE": "Classifies a built-in frame",
        "RUNS": "classifies a built-in frame",
        "KEYWORD": "classification",
        "DONE": "%ux%u classified as class %u of %u",
        "DONE_VALUES": "TEST_FRAME_WIDTH, TEST_FRAME_HEIGHT, classify_test_class(),\n"
        "           CLASSIFY_CLASSES",
        "CLASSES": f"{output.size}",
    }
    return _frame_example("classify", "classify", frame, output, fields)


def map_example(frame: np.ndarray, output: np.ndarray) -> Example:
    """Return the example of a network of one size whose output is a map.

    Args:
        frame: the input, (H, W, C) int8.
        output: the expected output, (H', W', C') int8.
    """
    fields = {
        "RUN_FRAME": "Run the network on the built-in test frame",
        "RUNS_TITLE": "Runs the network on a built-in frame",
        "RUNS": "runs the network on a built-in frame",
        "KEYWORD": "inference",
        "DONE": "%ux%u computed",
        "DONE_VALUES": "TEST_FRAME_WIDTH, TEST_FRAME_HEIGHT",
    }
    return _frame_example("rows", "infer", frame, output, fields)


def _frame_example(
    kind: str, run: str, frame: np.ndarray, output: np.ndarray, own: Mapping[str, str]
) -> Example:
    height, width, channels = frame.shape
    fields = {
        **own,
        "INPUT": "frame",
        "EXAMPLE_HEADERS": "\n".join(
            f'#include "{name}.h"' for name in sorted(("test_frame", run))
        ),
        "INPUT_SIZE": f"{width}x{height} frames",
        "ONE_SIZE": f"The network takes frames of {width}x{height} only;\n"
        "`edge-sr firmware export` with `--width` and `--height` writes it for another size.",
        "WIDTH": f"{width}",
        "HEIGHT": f"{height}",
        "CHANNELS_IN": f"{channels}",
        "FRAME_VALUES": c_values(frame),
    }
    size, facts = f"{width}x{height}", {"width": width, "height": height}
    return _example(("frame", kind), run, size, output.tobytes(), fields, facts)


def tensors_example(inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> Example:
    """Return the example of any other network.

    Args:
        inputs: all inputs, of 8 or 16 bits.
        outputs: the expected outputs.
    """
    stored = b"".join(each.tobytes() for each in inputs)
    sizes = ", ".join(f"{each.dtype} {'x'.join(map(str, each.shape))}" for each in inputs)
    fields = {
        "INPUT": "input",
        "RUNS_TITLE": "Runs the network on built-in noise",
        "RUNS": "runs the network on built-in noise",
        "KEYWORD": "inference",
        "DONE": "%u bytes of input",
        "DONE_VALUES": "TEST_INPUT_BYTES",
        "EXAMPLE_HEADERS": '#include "infer.h"\n#include "test_input.h"',
        "INPUT_SIZE": f"inputs of {sizes}",
        "ONE_SIZE": f"The network takes inputs of {sizes}.",
        "INPUT_BYTES": f"{len(stored)}",
        "INPUT_VALUES": c_values(np.frombuffer(stored, np.int8)),
    }
    expected = b"".join(each.tobytes() for each in outputs)
    return _example(("tensors",), "infer", sizes, expected, fields, {"inputs": sizes})


def _example(
    kinds: tuple[str, ...],
    run: str,
    size: str,
    output: bytes,
    fields: Mapping[str, str],
    facts: Mapping[str, object],
) -> Example:
    crc = zlib.crc32(output)
    common = {
        "RUN": run,
        "RUN_TITLE": run.capitalize(),
        "RUN_UPPER": run.upper(),
        "INPUT_UPPER": fields["INPUT"].upper(),
        "CHECKSUM": f"{crc:08x}",
    }
    return Example(kinds, run, size, crc, {**fields, **common}, facts)


def noise(tensors: Sequence[Tensor]) -> list[np.ndarray]:
    """Return noise for inputs, the same on every machine, with integers only.

    Raises:
        UserError: an input is not of 8 or 16 bits, or the inputs are too large to be built in.
    """
    for tensor in tensors:
        if tensor.dtype not in _NOISE_TYPES:
            raise UserError(
                f"the input {tensor} is {tensor.dtype}; an example takes {', '.join(_NOISE_TYPES)}"
            )
    sizes = [int(np.prod(each.shape)) * np.dtype(each.dtype).itemsize for each in tensors]
    if sum(sizes) > MAX_BYTES:
        raise UserError(
            f"the inputs have {sum(sizes):,} bytes; an example has at most {MAX_BYTES:,}"
        )
    stored = _noise_bytes(sum(sizes))
    ends = np.cumsum(sizes)
    return [
        np.frombuffer(stored[end - size : end], f"<{np.dtype(each.dtype).str[1:]}").reshape(
            each.shape
        )
        for each, size, end in zip(tensors, sizes, ends, strict=True)
    ]


def _noise_bytes(count: int) -> bytes:
    """A linear congruential generator, of which the highest 8 bits are kept."""
    state, values = 1, bytearray()
    for _ in range(count):
        state = (1664525 * state + 1013904223) % 2**32
        values.append(state >> 24)
    return bytes(values)


def built_in_frame(height: int, width: int, channels: int) -> np.ndarray:
    """Draw rings that get finer from one corner to the other, int8 (H, W, C), with integers only.

    Raises:
        UserError: the frame is empty or too large to be built in.
    """
    if min(height, width) < 1 or height * width * channels > MAX_BYTES:
        raise UserError(
            f"{width}x{height} cannot be the example's frame; it must have 1 to "
            f"{MAX_BYTES // channels:,} pixels"
        )
    y, x, channel = np.ogrid[:height, :width, :channels]
    return (((x * x + y * y) // 4 + 64 * channel) % 256 - 128).astype(np.int8)


def c_values(frame: np.ndarray) -> str:
    """Return the values of a frame as the initializer of a C array."""
    values = [f"{value}," for value in frame.ravel().tolist()]
    rows = (values[i : i + _BYTES_PER_LINE] for i in range(0, len(values), _BYTES_PER_LINE))
    return "\n".join("    " + " ".join(row) for row in rows)
