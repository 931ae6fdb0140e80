"""A real sshd on a free port of this machine, and an ssh that accepts its key."""

import getpass
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from processes import Processes, wait_until

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def make_key(path: Path) -> str:
    """Write a private key; returns the public key."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)]
    subprocess.run(command, check=True)
    return path.with_name(f"{path.name}.pub").read_text().strip()


class Server:
    """An sshd whose sessions find python3 in `bin` and make temporary files in `temporary`."""

    def __init__(self, folder: Path, processes: Processes) -> None:
        self.port = free_port()
        self.user = getpass.getuser()
        self.name = f"{self.user}@127.0.0.1"
        self.temporary, self.bin = folder / "there", folder / "bin"
        self.identity, self.stranger = folder / "key", folder / "stranger"
        self.known_hosts = folder / "known_hosts"
        for made in (self.temporary, self.bin):
            made.mkdir()
        (self.bin / "python3").symlink_to(sys.executable)
        (folder / "authorized_keys").write_text(make_key(self.identity) + "\n")
        self.host_key = make_key(folder / "host_key")
        self.other_key = make_key(self.stranger)
        self.know(self.host_key)
        self._write_client(folder)
        self._start(folder, processes)

    def know(self, *keys: str, port: int | None = None) -> None:
        """Write the client's known_hosts."""
        place = f"[127.0.0.1]:{port or self.port}"
        self.known_hosts.write_text("".join(f"{place} {key}\n" for key in keys))

    def options(self, port: int | None = None) -> list[object]:
        return [
            "--host", self.name, "--port", port or self.port, "--identity", self.identity,
        ]  # fmt: skip

    def wait_until_clean(self) -> None:
        """Wait until sessions that ended have emptied the temporary folder."""
        while any(self.temporary.iterdir()):
            time.sleep(0.1)

    def _write_client(self, folder: Path) -> None:
        """Write an `ssh` that ignores the user's configuration, for the start of the PATH."""
        (folder / "client").mkdir()
        (folder / "config").write_text(
            f"UserKnownHostsFile {self.known_hosts}\nGlobalKnownHostsFile /dev/null\n"
            "IdentityAgent none\n"
        )
        self.client = folder / "client" / "ssh"
        self.client.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/config "$@"\n')
        self.client.chmod(0o755)

    def _start(self, folder: Path, processes: Processes) -> None:
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # where it drops root's rights
        (folder / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1:{self.port}\nHostKey {folder}/host_key\n"
            f"AuthorizedKeysFile {folder}/authorized_keys\nPidFile none\nUsePAM no\n"
            "StrictModes no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
            # With another home the shell reads no start-up files, which might set the PATH.
            f"SetEnv HOME={folder} TMPDIR={self.temporary} PATH={self.bin}:{folder}/tools"
            f"{''.join(f' {name}={value}' for name, value in processes.environment.items())}\n"
        )
        (folder / "tools").mkdir()
        for tool in ("uname", "lscpu"):
            if found := shutil.which(tool):
                (folder / "tools" / tool).symlink_to(found)
        with (folder / "sshd.log").open("w") as log:
            sshd = processes.start(
                [SSHD, "-D", "-e", "-f", folder / "sshd_config"], stdout=log, stderr=log
            )
        wait_until(self._listens, sshd)

    def _listens(self) -> bool:
        with socket.socket() as visitor:
            return visitor.connect_ex(("127.0.0.1", self.port)) == 0


class Cable:
    """A port that forwards to another one until it is cut."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._ends: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._listener.close()
        for end in self._ends:
            end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        far = socket.create_connection(("127.0.0.1", self._to))
        self._ends = [near, far]
        for one, other in ((near, far), (far, near)):
            threading.Thread(target=_carry, args=(one, other), daemon=True).start()


def _carry(one: socket.socket, other: socket.socket) -> None:
    try:
        while data := one.recv(65536):
            other.sendall(data)
    except OSError:
        pass
