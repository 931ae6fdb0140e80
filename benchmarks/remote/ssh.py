"""A Python program on another machine, by the system's OpenSSH: the user's own configuration, agent
and jump hosts serve, but only keys open the door and only a known host is spoken to.
"""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edge_sr.errors import UserError

_OPTIONS = {
    "BatchMode": "yes",
    "PreferredAuthentications": "publickey",
    "PasswordAuthentication": "no",
    "KbdInteractiveAuthentication": "no",
    "StrictHostKeyChecking": "yes",
    "ConnectTimeout": "15",
    "ServerAliveInterval": "15",
    "ServerAliveCountMax": "3",
    "ClearAllForwardings": "yes",
    "ForwardAgent": "no",
    "ControlPath": "none",
    "RemoteCommand": "none",
    "RequestTTY": "no",
    "LogLevel": "INFO",
}
_OLDEST = (3, 11)
_BOOT = f"""\
import sys
if sys.version_info < {_OLDEST}:
    sys.exit("python3 is %d.%d" % sys.version_info[:2])
source = sys.stdin.buffer.read(int(sys.stdin.buffer.readline()))
exec(compile(source, "bootstrap.py", "exec"), {{"__name__": "__main__"}})
"""
_TAIL = 16_384
_PATIENCE_SECONDS = 30
_FAILED = 255  # ssh's own exit code, not the command's
_NOT_FOUND = 127


@dataclass(frozen=True)
class Host:
    """Where to go.

    Attributes:
        name: "user@board", "board", or a name from the user's ssh configuration.
        port: None for the configuration's.
        identity: the private key; None for the configuration's and the agent's.
    """

    name: str
    port: int | None = None
    identity: Path | None = None

    @property
    def plain(self) -> str:
        """As one would type it after ssh."""
        return f"-p {self.port} {self.name}" if self.port else self.name


def check(host: Host) -> None:
    """Refuse what cannot be a host, before any work is done.

    Raises:
        UserError: so, or there is no such key, or no ssh here.
    """
    if not re.fullmatch(r"([\w.][\w.+-]*@)?[\w:][\w.:%-]*", host.name, re.ASCII):
        raise UserError(f"{host.name!r} is no host; one is like pi@board or pi@192.168.0.17")
    if host.identity is not None and not host.identity.is_file():
        raise UserError(f"{host.identity} is not a file; --identity takes a private key")
    if shutil.which("ssh") is None:
        raise UserError("there is no ssh here; install OpenSSH's client")


class Remote:
    """A program of Python that runs on a host, with pipes to its standard input and output."""

    def __init__(self, host: Host, source: bytes) -> None:
        self._host = host
        self._tail = bytearray()
        # In a session of its own it hears of no Ctrl-C, so that the program can clean up.
        self._process = subprocess.Popen(
            _command(host), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.write(b"%d\n" % len(source) + source)

    @property
    def output(self) -> IO[bytes]:
        """What the program writes."""
        assert self._process.stdout is not None
        return self._process.stdout

    def write(self, data: bytes) -> bool:
        """Send to the program; False if nobody listens any more."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except BrokenPipeError:
            return False
        return True

    def close(self) -> bool:
        """Let the program know that we leave, and wait for its end; False if that is not seen."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            return self._process.wait(_PATIENCE_SECONDS) != _FAILED
        except subprocess.TimeoutExpired:
            return False
        finally:
            self._process.kill()
            self._process.wait()
            self._listener.join(1)
            self.output.close()

    def why_not_started(self) -> str:
        """One sentence on why the program did not come to speak; ends the connection."""
        self.close()
        said = self._tail.decode(errors="replace")
        if self._process.returncode == _FAILED:
            return _refusal(self._host, said)
        if self._process.returncode == _NOT_FOUND:
            return f"there is no python3 on {self._host.name}; `sudo apt install python3` there"
        old = re.search(r"python3 is (\d+\.\d+)", said)
        if old:
            due = ".".join(map(str, _OLDEST))
            return f"python3 on {self._host.name} is {old[1]}; edge-sr needs {due} or newer there"
        return f"python3 does not start on {self._host.name}: {_last(said)}"

    def _listen(self) -> None:
        """Keep the end of what ssh and the program say on standard error."""
        assert self._process.stderr is not None
        while data := os.read(self._process.stderr.fileno(), 4096):
            self._tail = (self._tail + data)[-_TAIL:]


def _command(host: Host) -> list[str]:
    options = [f"-o{name}={value}" for name, value in _OPTIONS.items()]
    if host.port is not None:
        options += ["-p", str(host.port)]
    if host.identity is not None:
        options += ["-i", str(host.identity), "-oIdentitiesOnly=yes"]
    return ["ssh", "-T", *options, "--", host.name, f"python3 -I -c {shlex.quote(_BOOT)}"]


def printable(text: str) -> str:
    """Another machine's words on one line, without what would steer a terminal."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())[:1000]


def _last(said: str) -> str:
    lines = said.strip().splitlines() or ["it said nothing"]
    return printable(lines[-1])


def _refusal(host: Host, said: str) -> str:
    """What ssh's words mean; they are English whatever the locale."""
    if "IDENTIFICATION HAS CHANGED" in said:
        return (
            f"the host key of {host.name} has changed: another machine may stand in for it; if you "
            "know why, remove the old key with `ssh-keygen -R`"
        )
    if "Host key verification failed" in said:
        return (
            f"the host key of {host.name} is not known; `ssh {host.plain}` shows its fingerprint "
            "and keeps it"
        )
    if "UNPROTECTED PRIVATE KEY" in said:
        return f"ssh refuses the key {host.identity}: others may read it; chmod 600 it"
    if "Permission denied" in said or "Too many authentication failures" in said:
        return (
            f"{host.name} takes none of the keys offered; only keys are tried, "
            f"`ssh-copy-id {host.plain}` brings yours there"
        )
    return f"cannot reach {host.name}: {_last(said)}"
