"""Files of version 2 against a decoder that was written from docs/reference/tcz.md."""

from pathlib import Path

import numpy as np
import pytest
import reference2
from context_reference import random_master

from edge_sr.codec import container2, context
from edge_sr.codec.header2 import Header
from edge_sr.engine import symbols as coder


def write(
    folder: Path, symbols: np.ndarray, place: int, rows_per_part: int = 2
) -> tuple[bytes, dict[str, np.ndarray]]:
    """A file of symbols, and the arrays of its context model as the page's reader reads them."""
    height, width, channels = symbols.shape
    master = random_master(channels, channels, hidden=16)
    master.write(folder / "context.safetensors")
    blob = context.fold(master, place / 256)
    header = Header(
        *("random", bytes(8), context.blob_hash(blob)),
        *(8 * width - 3, 8 * height - 7, channels, place, rows_per_part),
    )
    file = container2.assemble(header, coder.encode(symbols, blob, rows_per_part))
    return file, reference2.read_arrays(folder / "context.safetensors")


@pytest.mark.parametrize(("channels", "place"), [(1, 0), (3, 123), (5, 512), (17, 511)])
@pytest.mark.parametrize("spread", [1, 60])
def test_the_decoder_of_the_page_decodes_files(
    channels: int, place: int, spread: int, tmp_path: Path
) -> None:
    normal = np.random.default_rng(channels).normal(0, spread, (5, 6, channels))
    symbols = np.clip(np.rint(normal), -127, 127).astype(np.int8)
    file, arrays = write(tmp_path, symbols, place)
    decoded, size = reference2.decode(file, arrays)
    assert np.array_equal(decoded, symbols)
    assert size == (45, 33)


def test_extreme_symbols_are_decoded(tmp_path: Path) -> None:
    """Symbols of both ends, which take the longest codes and the largest means."""
    signs = np.random.default_rng(1).integers(0, 2, (7, 9, 4)) * 2 - 1
    symbols = (127 * signs).astype(np.int8)
    symbols[3:5] = 127
    file, arrays = write(tmp_path, symbols, 256, 3)
    assert np.array_equal(reference2.decode(file, arrays)[0], symbols)


def test_a_truncated_file_gives_the_rows_of_its_intact_parts(tmp_path: Path) -> None:
    symbols = np.random.default_rng(3).integers(-4, 5, (5, 4, 3)).astype(np.int8)
    file, arrays = write(tmp_path, symbols, 300)
    for size in (len(file) - 1, len(file) - 20):
        rows = container2.unpack(file[:size], salvage=True).rows
        decoded, _ = reference2.decode(file[:size], arrays)
        assert rows == len(decoded) < 5
        assert np.array_equal(decoded, symbols[:rows])
