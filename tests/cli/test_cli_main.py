"""How `edge-sr` starts and ends, whatever the command."""

import subprocess
from pathlib import Path
from typing import NoReturn

import pytest
import typer
from command_line import EdgeSr
from PIL import Image
from processes import Processes

import edge_sr as package
from edge_sr import zoo
from edge_sr.errors import UserError, VerificationError


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help(edge_sr: EdgeSr, arguments: list[str]) -> None:
    result = edge_sr(*arguments)
    assert (result.code, result.err) == (0, "")
    commands = ["train", "quantize", "export", "upscale", "eval", "compare", "models"]
    for command in (*commands, "compress", "decompress", "info"):
        assert command in result.out


def test_help_of_a_command(edge_sr: EdgeSr) -> None:
    result = edge_sr("upscale", "--help")
    assert (result.code, result.err) == (0, "")
    assert "--per-channel" in result.out


def test_version(edge_sr: EdgeSr) -> None:
    result = edge_sr("--version")
    assert (result.code, result.out) == (0, f"edge-sr {package.__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["upscale"], ["missing argument 'IN'", "see `edge-sr upscale --help`"]),
        (["eval"], ["missing option '--data'", "see `edge-sr eval --help`"]),
        (["eval", "--data", "x", "--scale", "two"], ["'--scale'", "integer"]),
        (["train", "--data", "x", "--seed", "-1"], ["'--seed'", "0"]),
        (["upscale", "a", "b", "--scale"], ["'--scale' requires an argument"]),
        (["upscale", "a", "b", "c"], ["unexpected extra argument", "c"]),
        (["models", "--colour"], ["no such option: --colour", "see `edge-sr models --help`"]),
        (["--colour"], ["no such option: --colour", "see `edge-sr --help`"]),
        (["upscle"], ["no such command 'upscle'", "'upscale'"]),
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
    assert "it is empty; name a file or folder" in edge_sr.refuses(*arguments)
    assert list(tmp_path.iterdir()) == []


def test_models_takes_one_form(edge_sr: EdgeSr) -> None:
    sentence = edge_sr.refuses("models", "--json", "--markdown")
    assert "--json, --markdown and --picture are forms of the same; name one" in sentence


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
def test_how_a_command_ends(
    edge_sr: EdgeSr, monkeypatch: pytest.MonkeyPatch, end: BaseException, code: int, sentence: str
) -> None:
    def entries() -> NoReturn:
        raise end

    monkeypatch.setattr(zoo, "entries", entries)
    result = edge_sr("models")
    assert (result.code, result.out) == (code, "")
    assert result.err.startswith(sentence)
    assert bool(result.err) == bool(sentence)


_SIGNALLED = """
import os, signal
import edge_sr.upscale
from edge_sr.cli.main import main

def signalled(*_):
    os.kill(os.getpid(), signal.{signal})
    yield

edge_sr.upscale.upscale_bands = signalled
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


def test_a_reader_that_goes_away(processes: Processes, tmp_path: Path) -> None:
    process = processes.edge_sr("models", cwd=tmp_path, stdout=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 1
