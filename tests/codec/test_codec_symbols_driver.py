"""The symbol coder without Python, under sanitizers."""

import random
import subprocess
from pathlib import Path

import numpy as np
import pytest
import sanitized
from context_reference import random_master

from edge_sr.codec import context
from edge_sr.engine import symbols as coder
from edge_sr.engine.build import SOURCES

HERE = Path(__file__).parent
TARGET = HERE.parent / "fuzz" / "fuzz_symbols.c"
REPAIRED, RAW = 1, 0


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fuzz target, built with sanitizers, which reads the files on its command line."""
    program = tmp_path_factory.mktemp("replay") / "replay"
    sources = [*sorted(SOURCES.glob("esr_symbols*.c")), SOURCES / "esr_coder.c"]
    return sanitized.build(program, [HERE / "replay.c", TARGET, *sources])


def model_and_parts(channels: int, seed: int) -> bytes:
    """The content of a model of 16 hidden units, then coded symbols."""
    blob = context.fold(random_master(channels, seed, hidden=16), 0)
    normal = np.random.default_rng(seed).normal(0, 3, (4, 5, channels))
    return blob[16:] + b"".join(coder.encode(np.rint(normal).astype(np.int8), blob, 2))


def inputs() -> list[bytes]:
    """Noise, runs of one byte, and models, some truncated or with flipped bits."""
    rng = random.Random(3)
    head = bytes((3, 0, 3, 4, 1, REPAIRED, 40))
    result = [bytes(rng.choices(range(256), k=rng.randrange(8, 600))) for _ in range(40)]
    result += [head + bytes([0, value]) * 100 for value in (0, 127, 128, 255)]
    for seed in range(6):
        channels = seed % 3 + 1
        data = bytearray(model_and_parts(channels, seed))
        head = bytes((channels - 1, 0, 3, 4, 1, RAW, 40, 0))
        result += [head + data, head + data[: rng.randrange(len(data))]]
        for _ in range(2):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            result.append(head + data)
    blob = context.fold(random_master(2, 1, hidden=16), 0)
    return [*result, bytes(8) + blob, bytes(8) + blob[:-1]]


def test_hostile_models_and_segments_under_sanitizers(replay: Path, tmp_path: Path) -> None:
    paths = []
    for number, data in enumerate(inputs()):
        paths.append(tmp_path / str(number))
        paths[-1].write_bytes(data)
    done = subprocess.run([replay, *paths], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
