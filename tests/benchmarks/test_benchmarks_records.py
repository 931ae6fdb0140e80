"""Records are kept, found again, and refused if they are of other files."""

import math
from pathlib import Path

import pytest

from benchmarks.rate_distortion.records import COLUMNS, Log, Record
from edge_sr.errors import UserError

FIRST = Record("set", "a, b", "12", 30, 20, "jpeg", "Pillow", 7, 75, math.inf, 30.5, None, 1, None)
SECOND = Record("set", "ü", "34", 30, 20, "tc-4", "ab", 8, 99, 9, 8, 0.5, 7, 0.25, 4, 3, 2.5, 2)


def find(log: Log, record: Record, **other: str) -> Record | None:
    hashes = {"image_hash": record.image_hash, "codec_hash": record.codec_hash, **other}
    return log.find(record.key, **hashes)


def test_records_round_trip(tmp_path: Path) -> None:
    log = Log(tmp_path / "records.csv")
    assert find(log, FIRST) is None
    log.add([FIRST])
    log.add([SECOND])
    again = Log(tmp_path / "records.csv")
    assert (find(again, FIRST), find(again, SECOND)) == (FIRST, SECOND)
    assert FIRST.bpp == 1


def test_a_truncated_line_is_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "records.csv"
    Log(path).add([FIRST, SECOND])
    whole = path.read_bytes()
    for cut in (1, 5, len(whole.splitlines()[-1])):
        path.write_bytes(whole[:-cut])
        log = Log(path)
        assert (find(log, FIRST), find(log, SECOND)) == (FIRST, None)
        log.add([SECOND])
        assert path.read_bytes() == whole


def test_an_empty_file_gets_a_header(tmp_path: Path) -> None:
    path = tmp_path / "records.csv"
    path.touch()
    Log(path).add([FIRST])
    assert find(Log(path), FIRST) == FIRST


def test_records_of_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "records.csv"
    Log(path).add([FIRST])
    with pytest.raises(UserError, match="figures of another image a, b of set"):
        find(Log(path), FIRST, image_hash="13")
    with pytest.raises(UserError, match="figures of another jpeg"):
        find(Log(path), FIRST, codec_hash="Pillow 1")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a,b\n1,2\n", "does not have the header"),
        ("\xff\n", "is not a CSV file"),
        (",".join(COLUMNS) + "\n1,2\n", "line 2 of"),
        (",".join(COLUMNS) + "\nset,a,1,0,20,jpeg,P,7,75,1,1,,1,,,,,\n", "line 2 of"),
        (",".join(COLUMNS) + "\nset,a,1,9,20,jpeg,P,7,75,nan,1,,1,,,,,\n", "line 2 of"),
    ],
)
def test_other_files_are_refused_and_kept(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "records.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=word):
        Log(path)
    assert path.read_bytes() == text.encode("latin-1")
