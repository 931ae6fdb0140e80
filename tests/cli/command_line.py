"""Runs `edge-sr` inside the test's process."""

import sys
from dataclasses import dataclass

import pytest

from edge_sr.cli.main import main


@dataclass(frozen=True)
class Result:
    """What a shell would see."""

    code: int
    out: str
    err: str


class EdgeSr:
    """Call it with the arguments of the command line."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capfd = monkeypatch, capfd

    def __call__(self, *arguments: object) -> Result:
        self._monkeypatch.setattr(sys, "argv", ["edge-sr", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = self._capfd.readouterr()
        return Result(int(stop.value.code or 0), out, err)

    def refuses(self, *arguments: object) -> str:
        """The one sentence on standard error with which a command ends; its code is 2."""
        result = self(*arguments)
        assert (result.code, result.out) == (2, ""), result
        assert result.err.startswith("edge-sr: "), result.err
        assert result.err.count("\n") == 1, result.err
        return result.err
