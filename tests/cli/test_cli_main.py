"""How `edge-sr` starts and ends: help, completion, usage errors, exit codes."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest
import typer
from command_line import EdgeSr
from PIL import Image
from processes import Processes

import edge_sr as package
from edge_sr.errors import UserError, VerificationError
from edge_sr.zoo import catalog


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help(edge_sr: EdgeSr, arguments: list[str]) -> None:
    result = edge_sr(*arguments)
    assert (result.code, result.err) == (0, "")
    first, *panels = re.split("─ (Use|Train|Deploy|Measure) ─", result.out)
    assert "--version" in first
    listed = dict(zip(panels[::2], panels[1::2], strict=True))
    assert {
        panel: re.findall(r"^│ (\w+)", text, re.MULTILINE) for panel, text in listed.items()
    } == {
        "Use": ["models", "upscale", "compress", "decompress", "compare", "classify", "info"],
        "Train": ["train", "quantize"],
        "Deploy": ["export", "firmware"],
        "Measure": ["eval", "rd", "reproduce", "bench"],
    }


def test_help_of_a_command(edge_sr: EdgeSr) -> None:
    result = edge_sr("upscale", "--help")
    assert (result.code, result.err) == (0, "")
    assert "--per-channel" in result.out


@pytest.mark.parametrize(
    ("words", "completions"),
    [
        ("up", ["upscale"]),
        ("firmware bo", ["boards"]),
        ("eval --js", ["--json"]),
        ("upscale --model tinypssr-an", ["tinypssr-anchor-x2", "tinypssr-anchor-x4"]),
        ("eval --model b", ["bicubic"]),
        ("eval --runtime l", ["litert"]),
        ("firmware build --board mic", ["microbit"]),
        ("firmware plan tinycompress-6", ["tinycompress-64"]),
        ("compress --model tinycompress-r", ["tinycompress-rd"]),
        ("compress --model tinyp", []),
    ],
)
def test_a_shell_completes_commands_options_and_their_values(
    edge_sr: EdgeSr, monkeypatch: pytest.MonkeyPatch, words: str, completions: list[str]
) -> None:
    monkeypatch.setenv("_EDGE_SR_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"edge-sr {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split())))
    result = edge_sr()
    assert (result.code, result.out.split(), result.err) == (0, completions, "")


def test_completion_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom edge_sr.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('numpy', 'PIL', 'ai_edge_litert') if name in sys.modules])"
    )
    shell = {"_EDGE_SR_COMPLETE": "complete_bash", "COMP_CWORD": "3"}
    shell["COMP_WORDS"] = "edge-sr upscale --model tinypssr-x"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **shell},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split("\n") == ["tinypssr-x2", "tinypssr-x4", "[]", ""], done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_calls_edge_sr(
    edge_sr: EdgeSr, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    monkeypatch.setenv("_EDGE_SR_COMPLETE", f"source_{shell}")
    result = edge_sr()
    assert result.code == 0
    assert f"_EDGE_SR_COMPLETE=complete_{shell}" in result.out


def test_version(edge_sr: EdgeSr) -> None:
    result = edge_sr("--version")
    assert (result.code, result.out) == (0, f"edge-sr {package.__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["upscale"], ["missing argument 'IN'", "see `edge-sr upscale --help`"]),
        (["eval"], ["missing option '--data'", "see `edge-sr eval --help`"]),
        (["eval", "--data", "x", "--scale", "two"], ["--scale takes a whole number"]),
        (["train", "--data", "x", "--seed", "-1"], ["--seed takes at least 0"]),
        (["upscale", "a", "b", "--scale"], ["'--scale' requires an argument"]),
        (["upscale", "a", "b", "c"], ["unexpected extra argument", "c"]),
        (["upscale", "a", "b", "--scale", "foo"], ["--scale takes a whole number; see `edge-sr"]),
        (["firmware", "plan", "--width", "320x240"], ["--width takes a whole number; see"]),
        (["compress", "a", "b", "--target-bpp", "x"], ["--target-bpp takes a number; see"]),
        (["bench", "--threads", "99"], ["--threads takes at most 64; see"]),
        (["bench", "--threads", "0"], ["--threads takes at least 1; see"]),
        (["upscal"], ["no such command 'upscal'; did you mean upscale?\n"]),
        (["eval", "--threadz", "2"], ["no such option '--threadz'; did you mean --threads?\n"]),
        (["models", "--colour"], ["no such option: --colour", "see `edge-sr models --help`"]),
        (["--colour"], ["no such option: --colour", "see `edge-sr --help`"]),
        (["upscle"], ["no such command 'upscle'; did you mean upscale?"]),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_sentence(
    edge_sr: EdgeSr, arguments: list[str], parts: list[str]
) -> None:
    sentence = edge_sr.refuses(*arguments)
    for part in parts:
        assert part in sentence


@pytest.mark.parametrize(
    "arguments",
    [
        ["upscale", "", "x.png"],
        ["upscale", ".", ""],
        ["compress", "", "x.tcz"],
        ["decompress", "x.tcz", ""],
        ["info", ""],
        ["eval", "--data", ""],
        ["eval", "--data", ".", "--json="],
        ["eval", "--data", ".", "--csv", ""],
        ["compare", ""],
        ["compare", "x.png", "--out", ""],
        ["export", "--out", ""],
        ["export", "--checkpoint", ""],
    ],
    ids=" ".join,
)
def test_an_empty_path_does_not_mean_this_folder(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "the path is empty; name a file or folder" in edge_sr.refuses(*arguments)
    assert list(tmp_path.iterdir()) == []


def test_models_prints_one_form(edge_sr: EdgeSr) -> None:
    sentence = edge_sr.refuses("models", "--json", "--markdown")
    assert "--json, --markdown and --picture exclude each other; give one" in sentence


@pytest.mark.parametrize(
    ("end", "code", "sentence"),
    [
        (typer.Exit(130), 130, ""),
        (KeyboardInterrupt(), 130, "edge-sr: interrupted\n"),
        (UserError("no"), 2, "edge-sr: no\n"),
        (VerificationError("no"), 1, "edge-sr: no\n"),
        (OSError(28, "No space left on device", "a.png"), 2, "edge-sr: a.png: No space left"),
        (OSError(28, "No space left on device"), 2, "edge-sr: No space left on device\n"),
    ],
    ids=repr,
)
def test_an_error_becomes_a_sentence_and_an_exit_code(
    edge_sr: EdgeSr, monkeypatch: pytest.MonkeyPatch, end: BaseException, code: int, sentence: str
) -> None:
    def entries(kind: object) -> NoReturn:
        raise end

    monkeypatch.setattr(catalog, "entries", entries)
    result = edge_sr("models")
    assert (result.code, result.out) == (code, "")
    assert result.err.startswith(sentence)
    assert bool(result.err) == bool(sentence)


_SIGNALLED = """
import os, signal
import edge_sr.upscaling
from edge_sr.cli.main import main

def signalled(*_):
    os.kill(os.getpid(), signal.{signal})
    yield

edge_sr.upscaling.upscale_bands = signalled
main()
"""


@pytest.mark.parametrize(
    ("signal", "code", "sentence"),
    [("SIGINT", 130, "edge-sr: interrupted\n"), ("SIGTERM", 143, "")],
)
def test_a_signal_leaves_no_temporary_file(
    processes: Processes, tmp_path: Path, signal: str, code: int, sentence: str
) -> None:
    Image.new("L", (9, 9)).save(tmp_path / "in.png")
    program = _SIGNALLED.format(signal=signal)
    process = processes.edge_sr(
        "upscale", "in.png", "out.png", code=program, cwd=tmp_path, stdout=subprocess.PIPE
    )
    assert (*process.communicate(), process.returncode) == ("", sentence, code)
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


def test_a_closed_pipe_ends_quietly(processes: Processes, tmp_path: Path) -> None:
    process = processes.edge_sr("models", cwd=tmp_path, stdout=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 1
