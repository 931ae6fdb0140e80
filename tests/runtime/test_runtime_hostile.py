"""Damaged model files give one sentence in every runtime, never a crash."""

import random
from pathlib import Path

import numpy as np
import pytest
from processes import Processes

from edge_sr.errors import UserError
from edge_sr.runtime.opening import open_session
from edge_sr.runtime.pixels import run_plane
from edge_sr.zoo import catalog

SUFFIXES = {"litert": ".tflite", "tflm": ".tflite", "onnx": ".onnx", "engine": ".tflite"}


def intact(runtime: str) -> bytes:
    return catalog.find("tinypssr-anchor-x2").file("int8", SUFFIXES[runtime]).read_bytes()


def opened_and_run(path: Path, runtime: str) -> bool:
    """Whether the file runs; False if it is refused with a UserError."""
    try:
        session = open_session(path, runtime)
        run_plane(session, np.full((9, 17), 77, np.uint8))
    except UserError:
        return False
    return True


def damaged(data: bytes, source: random.Random) -> bytes:
    """Return a copy with one to three changed bytes or words, or truncated."""
    changed = bytearray(data)
    for _ in range(source.randint(1, 3)):
        position = source.randrange(len(changed))
        kind = source.randrange(4)
        if kind == 0:
            changed[position] = source.randrange(256)
        elif kind == 1:
            changed[position] ^= 1 << source.randrange(8)
        elif kind == 2:
            word = source.choice([0, 1, 2, 255, 65536, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
            changed[position & ~3 : (position & ~3) + 4] = word.to_bytes(4, "little")
        elif len(changed) > 8:
            del changed[max(8, position) :]
    return bytes(changed)


def try_damaged(path: Path, runtime: str, data: bytes, count: int, seed: int) -> None:
    """Open and run `count` damaged copies of `data`; any error but a UserError is raised."""
    source = random.Random(seed)
    for _ in range(count):
        path.write_bytes(damaged(data, source))
        opened_and_run(path, runtime)


@pytest.mark.parametrize("runtime", SUFFIXES)
def test_damaged_files_are_refused_or_run(
    processes: Processes, runtime: str, tmp_path: Path
) -> None:
    # In a separate process: a crash must not end the tests.
    path = tmp_path / f"damaged{SUFFIXES[runtime]}"
    assert processes.call(try_damaged, path, runtime, intact(runtime), 150, 1) == 0


@pytest.mark.parametrize("runtime", SUFFIXES)
def test_the_same_check_passes_an_intact_file(runtime: str, tmp_path: Path) -> None:
    path = tmp_path / f"intact{SUFFIXES[runtime]}"
    path.write_bytes(intact(runtime))
    assert opened_and_run(path, runtime)


@pytest.mark.parametrize("runtime", SUFFIXES)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9])
def test_truncated_files_are_refused(runtime: str, share: float, tmp_path: Path) -> None:
    path = tmp_path / f"short{SUFFIXES[runtime]}"
    data = intact(runtime)
    path.write_bytes(data[: int(len(data) * share)])
    assert not opened_and_run(path, runtime)


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff" * 400, b"\x08" + b"\x00" * 7 + b"{}"])
def test_damaged_checkpoints_are_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"damaged\.safetensors"):
        open_session(path, "keras")
