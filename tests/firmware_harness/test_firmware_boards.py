"""Board files: the included ones, and files from users."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tflite_factory import tinypssr

from edge_sr.errors import UserError
from firmware_harness import board_file, project
from firmware_harness.flashers import TOOLS

GOOD = board_file.find("pico2").text


@pytest.mark.parametrize("name", board_file.names())
def test_every_board_file_is_consistent(name: str) -> None:
    board = board_file.find(name)
    assert board.stack in (2048, 4096)
    assert board.ram.size > 3 * board.stack
    assert (board.emulator is None) == bool(board.flashers)
    if board.image is None:
        assert board.no_image is not None
        assert "`edge-sr firmware export --target " in board.no_image
    elif board.core.startswith("Cortex-M"):
        assert f"-mcpu={board.core.lower()}" in board.image.flags


# Flash and RAM in KiB as the makers' product pages state them.
@pytest.mark.parametrize(
    ("name", "flash_kib", "ram_kib"),
    [
        ("stm32f746g-disco", 1024, 320),
        ("nucleo-h743zi", 2048, 512),  # of 1 MB, the AXI SRAM
        ("pico", 2048, 264),
        ("pico2", 4096, 520),
        ("nrf52840-dk", 1024, 256),
        ("microbit", 256, 16),
    ],
)
def test_memory_sizes_match_the_data_sheets(name: str, flash_kib: int, ram_kib: int) -> None:
    board = board_file.find(name)
    assert (board.flash.size, board.ram.size) == (1024 * flash_kib, 1024 * ram_kib)


def own(folder: Path, text: str | bytes, name: str = "own.toml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_user_board_is_stored_in_its_project(tmp_path: Path) -> None:
    path = own(tmp_path, GOOD)
    board = board_file.find(str(path))
    assert board.name == "own"
    (tmp_path / "it").mkdir()
    project.write(tmp_path / "it", project.Project("it", str(path), 20), tinypssr(16, 20))
    path.unlink()
    assert project.read(tmp_path / "it").board == "own"
    assert project.read_board(tmp_path / "it") == board
    (tmp_path / "it" / project.BOARD).unlink()
    with pytest.raises(UserError, match=r"cannot read the board file .*no such file"):
        project.read_board(tmp_path / "it")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("stack = 4096\n", "", "`stack` is missing; it must be a whole number from 512 to"),
        ("stack = 4096", "stack = true", "`stack` must be a whole number .*, not True"),
        ("stack = 4096", "stack = 4.0", "`stack` must be a whole number"),
        ("stack = 4096", "stack = 4098", "multiple of 8 and less than `ram.bytes`"),
        ("stack = 4096", "stack = 532480", "multiple of 8 and less than `ram.bytes`"),
        ("stack = 4096", "stack = 4096\nspeed = 1", "unknown key `speed`"),
        ("[ram]", "[ram]\nspeed = 1", "unknown key `ram.speed`"),
        ("bytes = 0x82000", "bytes = 0", "`ram.bytes` must be a whole number from 1 to"),
        ("bytes = 0x82000", "bytes = 0xffffffffffff", "`ram.bytes` must be"),
        ("origin = 0x20000000", "origin = -8", "`ram.origin` must be"),
        ("origin = 0x20000000", "origin = 0x20000004", "`ram.origin` must be a multiple of 8"),
        ("origin = 0x20000000", "origin = 0xfffffff8", "`ram` ends beyond the 32-bit address"),
        ("origin = 0x20000000", "origin = 0x10000000", "`flash` and `ram` overlap"),
        ("Raspberry Pi Pico 2", "*/ . = 0; /*", "`title` must be a line of letters"),
        ("Raspberry Pi Pico 2", "a\\nCC := sh -c", "`title` must be a line of letters"),
        ('"Cortex-M33"', "33", "`core` must be the name of a processor core, not 33"),
        ('"-O2"', '"$(shell touch x)"', "`flags` must be flags such as .*not '\\$\\(shell"),
        ('"-O2"', '"-fplugin=evil.so"', "`flags` must be flags"),
        ('"-O2"', '"-wrapper"', "`flags` must be flags"),
        ('"-O2"', '"@file"', "`flags` must be flags"),
        ('"-O2"', '"-mcpu=x -o /etc/passwd"', "`flags` must be flags"),
        ('"-O2"', "2", "`flags` must be flags"),
        ('"cortex_m"', '"../../etc"', "`port` must be one of cortex_m, riscv"),
        ('"rp2350"', '"../common/start"', "`boot` must be one of rp2350"),
        ('"picotool"', '"rm"', "`flasher.tool` must be one of openocd"),
        ('tool = "picotool"', 'tool = "openocd"', "`flasher.target` is missing"),
        (
            *('tool = "picotool"', 'tool = "openocd"\ntarget = "../../evil.cfg"'),
            "`flasher.target` must be",
        ),
        (
            *('tool = "picotool"', 'tool = "openocd"\ntarget = "-c"'),
            "`flasher.target` must be",
        ),
        ('tool = "picotool"', 'tool = "picotool"\nx = 1', "unknown key `flasher.x`"),
        ("[[flasher]]", "[flasher]", r"must be tables, each under \[\[flasher\]\], not"),
        ("title = ", "titel = ", "unknown key `titel`"),
        ("bytes = 0x82000", "byte = 1", "unknown key `ram.byte`"),
        ("[ram]", "[emulator]\nmachine = 'virt,dumpdtb=x'\nticks_hz = 1\n[ram]", "`emulator.mach"),
        ('port = "cortex_m"', "", "unknown key `boot`|unknown key `flags`"),
        ("stack = 4096", "stack = 4096\nno_image = 'none'", "either `port`, or `no_image`"),
        ("title", "title\0", "is not valid TOML"),
        ("title = ", "title = [" * 2000, "is not (valid TOML|a board file)"),
        ("title", "\xff", "is not valid TOML"),
    ],
)
def test_an_invalid_board_file_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    path = own(tmp_path, GOOD.replace(old, new).encode("latin-1"))
    with pytest.raises(UserError, match=message) as refused:
        board_file.find(str(path))
    assert str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value)


def test_a_missing_oversized_or_misnamed_board_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read the board file .*no such file"):
        board_file.find(str(tmp_path / "absent.toml"))
    with pytest.raises(UserError, match="it is not a file"):
        board_file.find(str(tmp_path))
    with pytest.raises(UserError, match="it is larger than 65,536 bytes"):
        board_file.find(str(own(tmp_path, "#" * 65537)))
    for name in ("a b;c", "-a", "_a", ".a"):
        with pytest.raises(
            UserError, match=r"must consist of letters, .* start with a letter or digit"
        ):
            board_file.find(str(own(tmp_path, GOOD, f"{name}.toml")))
    assert board_file.find(str(own(tmp_path, GOOD, "a.b-1_c.toml"))).name == "a.b-1_c"


@given(st.binary(max_size=200), st.integers(0, len(GOOD)), st.integers(0, 40))
def test_random_bytes_are_a_board_or_refused(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, place: int, cut: int
) -> None:
    content = GOOD.encode()[:place] + noise + GOOD.encode()[place + cut :]
    path = own(tmp_path_factory.getbasetemp(), content, "noise.toml")
    with contextlib.suppress(UserError):
        assert board_file.read(path).name == "noise"


def test_similar_names_are_suggested() -> None:
    for wrong, near in (
        *(("nrf52", "nrf52840-dk"), ("stm32f746", "stm32f746g-disco"), ("ESP32", "esp32-s3")),
        *(("nucleo-h743", "nucleo-h743zi"), ("pico-2", "pico2"), ("nano33", "arduino-nano-33")),
    ):
        with pytest.raises(UserError, match=f"did you mean .*{near}"):
            board_file.find(wrong)


def test_every_flash_tool_belongs_to_a_board() -> None:
    boards = map(board_file.find, board_file.names())
    used = {flasher.tool for board in boards for flasher in board.flashers}
    assert used == set(TOOLS)
