"""The coder without Python: under sanitizers, and on an emulated Cortex-M4."""

import random
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
import sanitized
from latents import smooth

from edge_sr.engine import coder
from edge_sr.engine.build import SOURCES
from firmware_harness import board_file, build, emulate, port

HERE = Path(__file__).parent
TARGET = HERE.parent / "fuzz" / "fuzz_coder.c"


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fuzz target, built with sanitizers, which reads the files on its command line."""
    program = tmp_path_factory.mktemp("replay") / "replay"
    return sanitized.build(program, [HERE / "replay.c", TARGET, SOURCES / "esr_coder.c"])


def inputs() -> list[bytes]:
    """Return noise, runs of one byte, and coded samples, some truncated or with flipped bits."""
    rng = random.Random(3)
    result = [bytes(rng.choices(range(256), k=rng.randrange(4, 600))) for _ in range(60)]
    result += [
        bytes([c, h, 7, 20]) + bytes([v]) * 200 for c in (0, 3) for h in (0, 8) for v in (0, 255)
    ]
    for seed in range(20):
        shape = (rng.randrange(1, 5), rng.randrange(1, 25), rng.randrange(1, 25))
        segments = coder.encode(smooth(shape, seed))
        head = bytes(size - 1 for size in shape) + bytes([min(255, len(segments[0]))])
        data = bytearray(b"".join(segments))
        result.append(head + data)
        result.append(head + data[: rng.randrange(len(data))])
        for _ in range(3):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            result.append(head + data)
    return result


def test_hostile_segments_under_sanitizers(replay: Path, tmp_path: Path) -> None:
    paths = []
    for number, data in enumerate(inputs()):
        paths.append(tmp_path / str(number))
        paths[-1].write_bytes(data)
    done = subprocess.run([replay, *paths], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.cross
def test_a_cortex_m4_writes_the_same_bytes(tmp_path: Path) -> None:
    for tool in ("arm-none-eabi-gcc", "make", "qemu-system-arm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    board, shape = board_file.find("mps2-an386"), (3, 30, 40)
    samples = smooth(shape, 11)
    port.write(tmp_path, board)
    port.copy_files(SOURCES, tmp_path / "engine", "*.[ch]")
    port.copy_files(HERE, tmp_path / "app", "board.c")
    (tmp_path / "samples.bin").write_bytes(struct.pack("<3I", *shape) + samples.tobytes())
    emulate.execute(build.build(tmp_path, board, "-Werror"), board, tmp_path)
    segments = coder.encode(samples)
    sizes = struct.pack("<8I", *map(len, segments))
    assert (tmp_path / "segments.bin").read_bytes() == sizes + b"".join(segments)
    figures = struct.unpack("<5Q", (tmp_path / "figures.bin").read_bytes())
    same, encoding, decoding, crc, state = figures
    assert same
    assert crc == zlib.crc32(b"".join(segments))
    assert board.emulator is not None
    each = [
        board.emulator.instructions(ticks) / (8 * samples.size) for ticks in (encoding, decoding)
    ]
    print(
        f"emulated Cortex-M4: {each[0]:.0f} instructions a bit to encode, {each[1]:.0f} to decode"
    )
    print(f"{state} bytes of state")
