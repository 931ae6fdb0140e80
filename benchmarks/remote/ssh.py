"""Runs a Python program on another machine through the system's OpenSSH.

The user's SSH configuration, agent and jump hosts apply. Only key authentication is used, and only
hosts with a known key are accepted.
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
class Address:
    """The SSH address of a machine.

    Attributes:
        name: "user@board", "board", or a name from the user's ssh configuration.
        port: None for that of the configuration.
        identity: file of the private key; None for those of the configuration and the agent.
    """

    name: str
    port: int | None = None
    identity: Path | None = None

    @property
    def arguments(self) -> str:
        """The arguments that follow `ssh` on a command line."""
        return f"-p {self.port} {self.name}" if self.port else self.name


def check(address: Address) -> None:
    """Check an address before any work is done.

    Raises:
        UserError: it is not a host name, its key does not exist, or ssh is not installed.
    """
    if not re.fullmatch(r"([\w.][\w.+-]*@)?[\w:][\w.:%-]*", address.name, re.ASCII):
        raise UserError(
            f"{address.name!r} is not a host; write it like pi@board or pi@192.168.0.17"
        )
    if address.identity is not None and not address.identity.is_file():
        raise UserError(f"{address.identity} is not a file; --identity takes a private key")
    if shutil.which("ssh") is None:
        raise UserError("ssh is missing; install the OpenSSH client")


class Connection:
    """A Python program that runs on a host, with pipes to its standard input and output."""

    def __init__(self, address: Address, source: bytes) -> None:
        self._address = address
        self._tail = bytearray()
        # In its own session ssh gets no Ctrl-C, so that the program can clean up.
        self._process = subprocess.Popen(
            _command(address), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.write(b"%d\n" % len(source) + source)

    @property
    def output(self) -> IO[bytes]:
        """The program's standard output."""
        assert self._process.stdout is not None
        return self._process.stdout

    def write(self, data: bytes) -> bool:
        """Send to the program; returns False if the connection has ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except BrokenPipeError:
            return False
        return True

    def close(self) -> bool:
        """Close the program's input and wait for its end; returns False if it is not confirmed."""
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
        """End the connection; returns a sentence on why the program did not start."""
        self.close()
        output = self._tail.decode(errors="replace")
        if self._process.returncode == _FAILED:
            return _refusal(self._address, output)
        if self._process.returncode == _NOT_FOUND:
            return (
                f"python3 is missing on {self._address.name}; run `sudo apt install python3` there"
            )
        old = re.search(r"python3 is (\d+\.\d+)", output)
        if old:
            oldest = ".".join(map(str, _OLDEST))
            return f"python3 on {self._address.name} is {old[1]}; edge-sr needs {oldest} or newer"
        return f"python3 does not start on {self._address.name}: {_last(output)}"

    def _listen(self) -> None:
        """Keep the end of the standard error of ssh and the program."""
        assert self._process.stderr is not None
        while data := os.read(self._process.stderr.fileno(), 4096):
            self._tail = (self._tail + data)[-_TAIL:]


def _command(address: Address) -> list[str]:
    options = [f"-o{name}={value}" for name, value in _OPTIONS.items()]
    if address.port is not None:
        options += ["-p", str(address.port)]
    if address.identity is not None:
        options += ["-i", str(address.identity), "-oIdentitiesOnly=yes"]
    return ["ssh", "-T", *options, "--", address.name, f"python3 -I -c {shlex.quote(_BOOT)}"]


def printable(text: str) -> str:
    """Return another machine's text on one line, without characters that control a terminal."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())[:1000]


def _last(output: str) -> str:
    lines = output.strip().splitlines() or ["no output"]
    return printable(lines[-1])


def _refusal(address: Address, output: str) -> str:
    """Explain an error of ssh, whose messages are English in every locale."""
    if "IDENTIFICATION HAS CHANGED" in output:
        return (
            f"the host key of {address.name} has changed: another machine may impersonate it; if "
            "you know why, remove the old key with `ssh-keygen -R`"
        )
    if "Host key verification failed" in output:
        return (
            f"the host key of {address.name} is not known; connect once with "
            f"`ssh {address.arguments}` to check and accept its fingerprint"
        )
    if "UNPROTECTED PRIVATE KEY" in output:
        return f"ssh rejects the key {address.identity}: others may read it; run `chmod 600` on it"
    if "Permission denied" in output or "Too many authentication failures" in output:
        return (
            f"{address.name} accepts none of your keys, and passwords are not tried; copy your "
            f"key there with `ssh-copy-id {address.arguments}`"
        )
    return f"cannot reach {address.name}: {_last(output)}"
