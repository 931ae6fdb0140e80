"""`edge-sr firmware boards` and `flash` on the command line."""

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from command_line import EdgeSr
from processes import Processes
from tflite_factory import tinypssr

from edge_sr.engine.plan import make_plan
from edge_sr.graph import read_graph
from edge_sr.zoo import catalog

MAKERS = (
    *("arduino-nano-33-ble", "esp32-s3-devkitc-1", "nrf52840-dk", "nucleo-h743zi", "pico", "pico2"),
    *("stm32f746g-disco", "stm32n6570-dk"),
)
OPENOCD_BOARD = """
title = "A board"
core = "Cortex-M4"
port = "cortex_m"
flags = ["-mcpu=cortex-m4", "-mthumb"]
stack = 4096
[flash]
origin = 0x08000000
bytes = 0x100000
[ram]
origin = 0x20000000
bytes = 0x20000
[[flasher]]
tool = "openocd"
target = "dummy.cfg"
"""
OPENOCD_DUMMY = """
adapter driver dummy
transport select jtag
jtag newtap t cpu -irlen 4
target create t.cpu testee -chain-position t.cpu
flash bank f faux 0x08000000 0x100000 4 4 t.cpu
"""


# --- boards


def test_boards_are_listed(edge_sr: EdgeSr) -> None:
    text = edge_sr("firmware", "boards").out
    assert all(f"| {name} " in text for name in (*MAKERS, "microbit", "qemu-rv32imc"))
    found = {
        facts["board"]: facts for facts in json.loads(edge_sr("firmware", "boards", "--json").out)
    }
    assert found["stm32f746g-disco"]["ram"] == 320 * 1024
    assert found["stm32f746g-disco"]["external_ram"] == 8 * 2**20
    assert found["pico"]["image"] == "none"
    assert "second stage" in found["pico"]["no_image"]
    assert found["pico2"]["image"] == "self-test"
    assert found["nucleo-h743zi"]["flashed_by"] == ["openocd", "st-flash"]


def test_fits_match_the_planner(edge_sr: EdgeSr) -> None:
    arguments = ("firmware", "boards", "--model", "tinypssr", "--width")
    found = {f["board"]: f for f in json.loads(edge_sr(*arguments, 640, "--json").out)}
    plan = make_plan(read_graph(catalog.find("tinypssr-x2").file("int8", ".tflite")))
    small = found["microbit"]
    assert small["ram_needed"] == 2048 + plan.arena_bytes(640) + 640 + 128
    assert small["ram_lacking"] == small["ram_needed"] - 16384
    assert not small["fits"]
    assert found["pico"]["fits"]
    assert found["pico"]["widest_external"] is None
    board = found["stm32f746g-disco"]
    assert plan.arena_bytes(board["widest_external"]) <= 8 * 2**20
    text = edge_sr(*arguments, 640).out
    assert f"lacks {small['ram_lacking']:,} bytes of RAM" in text
    for extra, fits in ((0, True), (1, False)):
        again = json.loads(edge_sr(*arguments, small["widest"] + extra, "--json").out)
        assert next(f["fits"] for f in again if f["board"] == "microbit") is fits


def test_a_model_may_exceed_every_flash(edge_sr: EdgeSr, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(OPENOCD_BOARD.replace("bytes = 0x100000", "bytes = 0x4000"))
    text = edge_sr.refuses("firmware", "build", "--board", own, "--out", tmp_path / "out")
    assert "bytes more flash than own has, at any width" in text
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--width", "160"],
            "--rate, --width and --weights describe a model; name one with --model",
        ),
        (["--model", "resnet"], "unknown network 'resnet'"),
        (["--model", "tinypssr", "--width", "0"], "cannot run at width 0"),
    ],
    ids=str,
)
def test_bad_options_of_boards_are_refused(
    edge_sr: EdgeSr, arguments: list[str], message: str
) -> None:
    assert message in edge_sr.refuses("firmware", "boards", *arguments)


# --- flash


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that becomes the PATH, with the shell's own tools."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("sh", "sleep", "env"):
        (folder / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def fake(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    for suffix in ("elf", "bin", "hex"):
        (tmp_path / f"my.{suffix}").write_bytes(b"\x7fELF image")
    return tmp_path / "my.elf"


FLASH = ("firmware", "flash", "--board")


@pytest.mark.parametrize(
    ("board", "suffix", "options", "command"),
    [
        (
            *("stm32f746g-disco", "elf", ()),
            "openocd -f board/stm32f746g-disco.cfg -c init -c 'reset halt' -c 'echo edge-sr-writes'"
            " -c 'flash write_image erase {image}' -c 'verify_image {image}' -c 'reset run' -c"
            " shutdown",
        ),
        ("nucleo-h743zi", "bin", (), "st-flash --reset write {image} 0x08000000"),
        (
            *("esp32-s3-devkitc-1", "bin", ("--port", "/dev/ttyUSB0")),
            "esptool --chip esp32s3 --port /dev/ttyUSB0 write_flash 0x0 {image}",
        ),
        ("pico2", "elf", (), "picotool load -v -x {image}"),
        ("pico", "bin", (), "picotool load -v -x {image} -o 0x10000000"),
        (
            *("nrf52840-dk", "hex", ("--tool", "nrfjprog")),
            "nrfjprog --family NRF52 --program {image} --sectorerase --verify --reset",
        ),
        (
            *("arduino-nano-33-ble", "bin", ("--port", "ttyACM0")),
            "bossac --port=ttyACM0 -U -i -e -w {image} -R",
        ),
        (
            *("stm32n6570-dk", "bin", ()),
            "STM32_Programmer_CLI -c port=SWD mode=HOTPLUG -el"
            " ExternalLoader/MX66UW1G45G_STM32N6570-DK.stldr -hardRst -w {image} 0x70000000 -v",
        ),
    ],
)
def test_the_exact_command_is_printed(
    edge_sr: EdgeSr,
    tools: Path,
    image: Path,
    board: str,
    suffix: str,
    options: tuple[str, ...],
    command: str,
) -> None:
    file = image.with_suffix(f".{suffix}")
    result = edge_sr(*FLASH, board, "--image", file, "--dry-run", *options)
    assert (result.code, result.err) == (0, "")
    assert shlex.split(result.out) == shlex.split(command.format(image=file))


def test_a_tool_gets_the_path_as_one_argument(edge_sr: EdgeSr, tools: Path, image: Path) -> None:
    strange = image.with_name("a b$(x)'\"; [exit] {c.elf")
    image.rename(strange)
    fake(tools, "picotool", 'printf "%s\\n" "$@" > "${0%/*}/words"; echo "Loading into Flash"')
    result = edge_sr(*FLASH, "pico2", "--image", strange)
    assert result.code == 0, result.err
    assert result.out == f"picotool wrote {strange} to pico2\n"
    assert "Loading into Flash" in result.err
    assert (tools / "words").read_text().splitlines() == ["load", "-v", "-x", str(strange)]


def test_an_installed_tool_is_preferred(edge_sr: EdgeSr, tools: Path, image: Path) -> None:
    bin_file = image.with_suffix(".bin")
    dry = (*FLASH, "nucleo-h743zi", "--dry-run", "--image")
    assert edge_sr(*dry, image).out.startswith("openocd ")
    assert edge_sr(*dry, bin_file).out.startswith("st-flash ")
    fake(tools, "st-flash", "")
    assert edge_sr(*dry, image).out.startswith("openocd ")
    fake(tools, "openocd", "")
    assert edge_sr(*dry, image).out.startswith(f"{tools}/openocd ")


def test_a_missing_tool_is_named(edge_sr: EdgeSr, tools: Path, image: Path) -> None:
    text = edge_sr.refuses(*FLASH, "nrf52840-dk", "--image", image)
    assert "needs openocd, which is missing; install it: `apt-get install openocd`" in text
    (tools / "openocd").write_text("no program")
    (tools / "openocd").chmod(0o755)
    text = edge_sr.refuses(*FLASH, "nrf52840-dk", "--image", image)
    assert f"{tools}/openocd cannot be run: Exec format error" in text


@pytest.mark.parametrize(
    ("script", "code", "message"),
    [
        ("echo Error: open failed; exit 1", 2, "openocd found no nrf52840-dk (Error: open failed)"),
        (
            "echo Error: bad config; exit 3",
            1,
            "exit code 3 (Error: bad config): it had not started",
        ),
        (
            "echo edge-sr-writes; echo Error: open failed; echo bye; exit 1",
            *(
                1,
                "exit code 1 (Error: open failed): it had started to write, so the flash of",
            ),
        ),
        (
            "printf edge-sr-; printf 'writes\\r 30%%'; kill -9 $$",
            1,
            "ended by signal 9 (30%): it had started",
        ),
        ("exit 1", 1, "exit code 1 (no message): it had not started to write, so the flash of nr"),
        ('printf "edge-sr-writes \\377\\n"; exit 1', 1, "incomplete and the board will not start"),
    ],
)
def test_a_failed_tool_is_reported_with_the_state_of_the_flash(
    edge_sr: EdgeSr, tools: Path, image: Path, script: str, code: int, message: str
) -> None:
    fake(tools, "openocd", script)
    result = edge_sr(*FLASH, "nrf52840-dk", "--image", image)
    assert (result.code, result.out) == (code, "")
    assert message in result.err.splitlines()[-1]


def run_interrupted(processes: Processes, image: Path, script: str) -> tuple[int, str]:
    """Flash with a tool that sends Ctrl-C to edge-sr while it runs."""
    tools = Path(os.environ["PATH"])
    fake(tools, "openocd", script)
    process = processes.edge_sr(*FLASH, "nrf52840-dk", "--image", image, stdout=subprocess.DEVNULL)
    _, message = process.communicate()
    return process.returncode, message


@pytest.mark.parametrize(
    ("begun", "state"),
    [("edge-sr-writes", "it had started to write"), ("hello", "it had not started to write")],
)
def test_ctrl_c_reaches_the_tool(
    processes: Processes, tools: Path, image: Path, begun: str, state: str
) -> None:
    script = (
        f"trap 'echo it ends >&2; : > {tools}/asked; exit 1' INT; echo {begun}; kill -INT $PPID"
    )
    code, said = run_interrupted(processes, image, script + "; while :; do sleep 0.1; done")
    assert code == 130
    assert (tools / "asked").exists()
    assert f"edge-sr: openocd was interrupted: {state}" in said
    assert said.endswith("edge-sr: interrupted\n")


@pytest.mark.slow
def test_a_tool_that_ignores_ctrl_c_is_killed(
    processes: Processes, tools: Path, image: Path
) -> None:
    script = f"trap '' INT TERM; echo $$ > {tools}/pid; kill -INT $PPID"
    code, said = run_interrupted(processes, image, script + "; while :; do sleep 0.1; done")
    assert code == 130
    assert "had not started" in said
    with pytest.raises(ProcessLookupError):
        os.kill(int((tools / "pid").read_text()), 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pico3", "--image", "my.elf"], "unknown board 'pico3'; did you mean pico or pico2"),
        (["pico2", "--image", "absent.elf"], "absent.elf; `edge-sr firmware build --board pico2`"),
        (["stm32f746g-disco", "--image", "absent"], "file not found: absent;"),
        (
            ["esp32-s3-devkitc-1", "--image", "absent.bin"],
            "file not found: absent.bin; its Xtensa cores start through ESP-IDF's boot loader",
        ),
        (
            ["pico2", "--image", "my.hex"],
            "picotool writes .elf or .uf2 or .bin files, not my.hex",
        ),
        (["pico2", "--image", "empty.bin"], "empty.bin is empty"),
        (["nucleo-h743zi", "--image", "big.bin"], "is 1 bytes larger than the flash of nucleo-h7"),
        (["pico2", "--image", "tools"], "tools holds no firmware"),
        (["pico2", "--image", ""], "the path is empty; name a file or folder"),
        (["pico2"], "artifacts has no image for pico2; `edge-sr firmware build --board pico2`"),
        (["pico"], "name the file with --image; its boot ROM needs a second stage"),
        (
            ["mps2-an386", "--image", "my.elf"],
            "mps2-an386 is emulated only; no tool writes its flash",
        ),
        (
            ["pico2", "--image", "my.elf", "--tool", "dd"],
            "'dd' does not write pico2; available: picotool",
        ),
        (["pico2", "--image", "my.elf", "--port", "COM3"], "leave --port out"),
        (["arduino-nano-33-ble", "--image", "my.bin", "--port", "-x"], "'-x' is not a serial port"),
    ],
    ids=str,
)
def test_bad_options_of_flash_are_refused(
    edge_sr: EdgeSr, tools: Path, image: Path, arguments: list[str], message: str
) -> None:
    image.with_name("empty.bin").touch()
    with image.with_name("big.bin").open("wb") as file:
        file.truncate(2 * 2**20 + 1)
    assert message in edge_sr.refuses(*FLASH, *arguments)


@pytest.mark.cross
@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")
def test_flash_finds_the_built_image(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    build = ("firmware", "build", "--board", "nrf52840-dk", "--model", "tinypssr", "--width")
    result = edge_sr(*build, 16)
    assert "12 words at 0x20001000; the first is 0x45535231 on success" in result.out
    folder = Path("artifacts/tinypssr-x2-nrf52840-dk-w16")
    dry = (*FLASH, "nrf52840-dk", "--dry-run")
    assert f"{tmp_path / folder}/firmware.elf" in edge_sr(*dry).out
    by_nrfjprog = edge_sr(*dry, "--tool", "nrfjprog", "--image", folder).out
    assert f"{tmp_path / folder}/firmware.hex" in by_nrfjprog
    text = edge_sr.refuses(*FLASH, "nucleo-h743zi", "--image", folder)
    assert "was built for nrf52840-dk, not for nucleo-h743zi" in text
    assert "is not emulated" in edge_sr.refuses("firmware", "run", folder)
    assert edge_sr(*build, 17).code == 0
    assert "several images for nrf52840-dk exist" in edge_sr.refuses(*dry)


# --- the real tools, without a board


@pytest.mark.cross
@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")
def test_the_advice_for_a_board_of_ones_own_is_a_command_that_works(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.toml").write_text(OPENOCD_BOARD)
    build = ("firmware", "build", "--board", "own.toml", "--model", "tinypssr", "--width", 16)
    assert edge_sr(*build, "--out", "my folder").code == 0
    text = edge_sr.refuses("firmware", "run", "my folder")
    advice = re.search("`edge-sr (firmware flash [^`]*)`", text)
    assert advice is not None
    dry = edge_sr(*shlex.split(advice[1]), "--dry-run")
    assert (dry.code, "/firmware.elf" in dry.out) == (0, True)
    text = edge_sr.refuses("firmware", "flash", "--board", "own.toml", "--image", "gone.elf")
    assert "`edge-sr firmware build --board own.toml` builds one" in text


def needs(tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")


@pytest.mark.parametrize(
    ("tool", "board", "suffix", "port"),
    [
        ("openocd", "stm32f746g-disco", "elf", []),
        ("openocd", "nucleo-h743zi", "elf", []),
        ("openocd", "nrf52840-dk", "elf", []),
        ("st-flash", "nucleo-h743zi", "bin", []),
        ("esptool", "esp32-s3-devkitc-1", "bin", ["--port", "/dev/ttyABSENT"]),
        ("bossac", "arduino-nano-33-ble", "bin", ["--port", "/dev/ttyABSENT"]),
    ],
)
def test_a_real_tool_reports_the_missing_board(
    edge_sr: EdgeSr, image: Path, tool: str, board: str, suffix: str, port: list[str]
) -> None:
    needs(tool)
    file = image.with_suffix(f".{suffix}")
    result = edge_sr(*FLASH, board, "--tool", tool, "--image", file, *port)
    assert (result.code, result.out) == (2, "")
    assert f"edge-sr: {tool} found no {board} (" in result.err
    assert result.err.endswith("; nothing was written\n")


@pytest.mark.cross
@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")
def test_openocd_writes_until_the_dummy_board_fails(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenOCD's faux flash accepts the image; the dummy processor cannot verify it."""
    needs("openocd")
    monkeypatch.chdir(tmp_path)
    Path("own.toml").write_text(OPENOCD_BOARD)
    Path("dummy.cfg").write_text(OPENOCD_DUMMY)
    Path("my.tflite").write_bytes(tinypssr(16, 20))
    folder = "a b$x [exit] {c"
    own = ("--board", "./own.toml")
    built = edge_sr("firmware", "build", *own, "--model", "my.tflite", "--out", folder)
    assert built.code == 0, built.err
    result = edge_sr("firmware", "flash", *own, "--image", folder)
    assert result.code == 1
    assert "firmware.elf in 0." in result.err
    assert "checksum_memory): it had started to write, so the flash of own is" in result.err
