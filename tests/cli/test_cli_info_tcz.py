"""`edge-sr info` of .tcz files of version 2, whole, cut and damaged."""

from pathlib import Path

import pytest
from command_line import EdgeSr

from edge_sr.codec import container2
from edge_sr.codec.header2 import Header

HEADER = Header("cae-low-int8", b"\1\2\3\4\5\6\7\x08", b"contexts", 37, 50, 3, 640, 2)
PARTS = (b"some bytes", b"\0", b"\xff" * 30, b"the last part")
FILE = container2.assemble(HEADER, PARTS)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "image.tcz"
    path.write_bytes(FILE)
    return path


def cells(out: str) -> list[list[str]]:
    """The rows of the table of parts."""
    lines = [line for line in out.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines][1:]


def test_info_of_a_file(edge_sr: EdgeSr, file: Path) -> None:
    result = edge_sr("info", file)
    assert (result.code, result.err) == (0, "")
    bpp = 8 * len(FILE) / (37 * 50)
    assert result.out.splitlines()[:7] == [
        "version:   2",
        "image:     37x50, rgb",
        "network:   cae-low-int8, decoder 0102030405060708",
        f"context:   {b'contexts'.hex()}",
        "quality:   unknown, place 2.5 among the gains",
        "symbols:   3 channels of 5x7, -127 to 127",
        f"size:      {len(FILE)} bytes, {bpp:.4g} bits per pixel; header 92",
    ]
    rows = ["0 to 15", "16 to 31", "32 to 47", "48 to 49"]
    assert cells(result.out) == [
        [str(n + 1), rows[n], str(len(part)), f"{8 * len(part) / 1850:.4g}", "intact"]
        for n, part in enumerate(PARTS)
    ]


def test_info_of_a_file_that_is_cut(edge_sr: EdgeSr, file: Path) -> None:
    file.write_bytes(FILE[:100])
    out = edge_sr("info", file).out
    assert "size:      unknown; the file has 100 bytes" in out
    assert [row[2:] for row in cells(out)[1:]] == [
        ["1", "0.004324", "intact"],
        ["30", "0.1297", "truncated"],
        ["unknown", "unknown", "truncated"],
    ]
    assert "2 of 4 parts, 32 of 50 rows, can be decoded" in out


def test_info_of_a_damaged_file(edge_sr: EdgeSr, file: Path) -> None:
    data = bytearray(FILE + b"more")
    data[60 + 8] ^= 1
    file.write_bytes(data)
    out = edge_sr("info", file).out
    assert [row[-1] for row in cells(out)] == ["damaged", "intact", "intact", "intact"]
    assert "0 of 4 parts, 0 of 50 rows, can be decoded" in out
    assert "the file has surplus bytes after its last part" in out
