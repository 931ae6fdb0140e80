"""Measuring over SSH: a real sshd and ssh, real virtual environments, and lost connections."""

import hashlib
import importlib.metadata
import io
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import ssh_server
from command_line import EdgeSr
from processes import Processes, wait_until
from ssh_server import Cable, Server

from benchmarks.measuring import images, suites
from benchmarks.measuring.measure import Task
from benchmarks.remote import bootstrap, host, wheel
from edge_sr import records
from edge_sr.engine import build as engine
from edge_sr.errors import UserError
from edge_sr.runtime.opening import open_session
from edge_sr.runtime.pixels import encode
from edge_sr.zoo import catalog

NEEDS = ("numpy", "pillow", "pypng", "ai-edge-litert", "typer")
WIDTH, HEIGHT = 32, 24
CASES = ("--model", "tinypssr", "--runtime", "litert", "--runtime", "engine", "--size", "32x24")
AARCH64 = 183  # e_machine of an ELF file

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if ssh_server.SSHD is None or shutil.which("ssh") is None:
        pytest.skip("no sshd and ssh here; install openssh-server")
    processes = Processes()
    yield Server(tmp_path_factory.mktemp("ssh"), processes)
    processes.end()


@pytest.fixture
def server(sshd: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server, with its key known to the client; a test may change that."""
    monkeypatch.setenv("PATH", f"{sshd.client.parent}:{os.environ['PATH']}")
    sshd.know(sshd.host_key)
    return sshd


@pytest.fixture
def edge_sr(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> EdgeSr:
    return EdgeSr(monkeypatch, capfd)


def last(result: object) -> str:
    """Return the last line of a command with exit code 2, after its progress."""
    assert (result.code, result.out) == (2, ""), result
    return result.err.splitlines()[-1]


# --- a whole measurement


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheels of the packages that edge-sr needs, in the installed versions."""
    folder = tmp_path_factory.mktemp("wheels")
    packages = [f"{name}=={importlib.metadata.version(name)}" for name in NEEDS]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:"]
    subprocess.run([*command, "--dest", folder, *packages], check=True)
    return folder


def test_a_machine_without_a_network_measures_a_file(edge_sr, server, wheels, tmp_path):
    model = tmp_path / "mine.tflite"
    model.write_bytes(catalog.find("tinypssr-x2").file("int8", ".tflite").read_bytes())
    out = tmp_path / "record.json"
    result = edge_sr(
        "bench", model, "--runtime", "litert", "--runtime", "engine", "--size", f"{WIDTH}x{HEIGHT}",
        "--samples", 3, "--seconds", 0.01, "--wheels", wheels, "--out", out, *server.options(),
    )  # fmt: skip
    assert result.code == 0, result.err
    record = records.read(out)
    assert record.complete
    assert [entry.status for entry in record.results] == ["measured"] * 2
    assert record.software.packages["numpy"] == importlib.metadata.version("numpy")
    assert record.software.git_revision is None  # it ran from the wheel
    engine_result = record.results[1]
    assert engine_result.case.network.artifact.name == "mine.tflite"
    assert engine_result.output.sha256 == tflm_digest(model)
    server.wait_until_clean()


def tflm_digest(model: Path) -> str:
    session = open_session(model, "tflm")
    pixels, _ = images.make("upscaler", HEIGHT, WIDTH, 2, 1)
    output = session.run(encode(pixels, session.input)[np.newaxis])
    return hashlib.sha256(output.tobytes()).hexdigest()


@pytest.mark.cross
def test_a_wheel_for_another_machine_has_its_machine_code(tmp_path):
    if shutil.which("aarch64-linux-gnu-gcc") is None:
        pytest.skip("no aarch64-linux-gnu-gcc here")
    made = wheel.build(tmp_path, "aarch64")
    wheel.check(made, "aarch64")
    with zipfile.ZipFile(made) as archive:
        names = [name for name in archive.namelist() if name.startswith("edge_sr/engine/lib/")]
        assert names == [f"edge_sr/engine/lib/{engine.library_name()}"]
        assert struct.unpack_from("<H", archive.read(names[0]), 18) == (AARCH64,)
    with pytest.raises(UserError, match="is for linux_aarch64, but the target is Linux on x86_64"):
        wheel.check(made, "x86_64")


def test_a_missing_cross_compiler_is_reported(tmp_path):
    with pytest.raises(UserError, match="apt install gcc-mips-linux-gnu"):
        wheel.build(tmp_path, "mips")


# --- refused connections


def test_a_host_key_that_is_not_known(edge_sr, server):
    server.know()
    said = last(edge_sr("bench", *CASES, *server.options()))
    assert "the host key of" in said
    assert "is not known" in said


def test_a_host_key_that_changed(edge_sr, server):
    server.know(server.other_key)
    assert "has changed" in last(edge_sr("bench", *CASES, *server.options()))


def test_a_key_that_is_refused(edge_sr, server):
    options = [*server.options()[:-1], server.stranger]
    assert "accepts none of your keys" in last(edge_sr("bench", *CASES, *options))


def test_a_key_that_others_may_read(edge_sr, server, tmp_path):
    key = shutil.copy(server.identity, tmp_path / "key")
    key.chmod(0o644)
    options = [*server.options()[:-1], key]
    assert "chmod 600" in last(edge_sr("bench", *CASES, *options))


def test_a_refused_connection_is_reported(edge_sr, server):
    options = server.options(ssh_server.free_port())
    assert "Connection refused" in last(edge_sr("bench", *CASES, *options))


@pytest.mark.parametrize("name", ["-oProxyCommand=id", "pi@", "a b", "pi@board;id", ""])
def test_a_name_that_is_not_a_host_is_refused(edge_sr, name):
    assert "is not a host" in last(edge_sr("bench", *CASES, f"--host={name}"))


def test_options_that_need_a_host_or_a_file(edge_sr, server, tmp_path):
    assert "need --host" in edge_sr.refuses("bench", *CASES, "--port", 22)
    board = ("--model", "tinypssr", "--board", "mps2-an386")
    if shutil.which("arm-none-eabi-gcc") and shutil.which("qemu-system-arm"):
        assert "leave --host out" in last(edge_sr("bench", *board, *server.options()))
    assert "holds no .whl files" in last(
        edge_sr("bench", *CASES, *server.options(), "--wheels", tmp_path)
    )


# --- targets that lack something


@pytest.fixture
def stub(server: Server) -> Iterator[Path]:
    """The path of python3 on the target, from which it is removed."""
    path = server.bin / "python3"
    path.rename(server.bin / "hidden")
    yield path
    path.unlink(missing_ok=True)
    (server.bin / "hidden").rename(path)


def test_a_target_without_python(edge_sr, server, stub):
    assert "python3 is missing" in last(edge_sr("bench", *CASES, *server.options()))


def test_a_target_with_an_old_python(edge_sr, server, stub):
    old = "import sys; sys.version_info = (3, 9, 2); exec(sys.argv[1])"
    # Called as `python3 -I -c PROGRAM`.
    stub.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{old}" "$3"\n')
    stub.chmod(0o755)
    said = last(edge_sr("bench", *CASES, *server.options()))
    assert "is 3.9; edge-sr needs 3.11 or newer" in said


def test_a_full_disk_on_the_target(edge_sr, server, tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(server.temporary)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("no small disk can be mounted here")
    try:
        large = fake_wheel(tmp_path, "pass", padding=2**20)
        said = last(edge_sr("bench", *CASES, *server.options(), "--wheel", large))
        assert "the disk is full" in said
        server.wait_until_clean()
    finally:
        subprocess.run(["umount", str(server.temporary)], check=True)


def test_packages_that_cannot_be_installed(edge_sr, server, tmp_path):
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "other-1-py3-none-any.whl").write_bytes(b"")
    made = fake_wheel(tmp_path, "pass", needs="no-such-package-of-edge-sr")
    result = edge_sr(
        "bench", *CASES, *server.options(), "--wheel", made, "--wheels", tmp_path / "wheels"
    )
    assert "No matching distribution found" in last(result)
    assert "add it to --wheels" in last(result)
    server.wait_until_clean()


def test_a_file_that_is_not_a_wheel(edge_sr, server, tmp_path):
    path = tmp_path / "edge_sr-1-py3-none-any.whl"
    path.write_bytes(b"PK")
    said = last(edge_sr("bench", *CASES, *server.options(), "--wheel", path))
    assert "is not a wheel of this edge-sr" in said
    server.wait_until_clean()


# --- lost connections: the wheel's measurement sends one of two results, and then waits


def fake_wheel(folder: Path, target: str, needs: str | None = None, padding: int = 0) -> Path:
    made = folder / "edge_sr-1-py3-none-any.whl"
    about = "edge_sr-1.dist-info"
    requires = f"Requires-Dist: {needs}\n" if needs else ""
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("benchmarks/remote/target.py", target)
        archive.writestr("benchmarks/padding", os.urandom(padding))
        archive.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: edge-sr\nVersion: 1\n{requires}"
        )
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/RECORD", "")
    return made


@pytest.fixture(scope="module")
def partial() -> bytes:
    """A record with one of two results."""
    made: list[records.Record] = []
    case = suites.request("tinynone-x2", "upscaler", "int8", "litert", 1, (HEIGHT, WIDTH))
    from benchmarks.measuring.measure import measure

    measure(Task(None, (case, case), suites.QUICK), made.append)
    return records.dumps(made[1]).encode()


def waiting(record: bytes) -> str:
    return (
        "import sys, time\n"
        f"record = {record!r}\n"
        'sys.stdout.buffer.write(b\'{"kind": "record", "bytes": %d}\\n\' % len(record))\n'
        "sys.stdout.buffer.write(record)\n"
        "sys.stdout.buffer.flush()\n"
        "time.sleep(600)\n"
    )


def test_a_lost_connection_leaves_the_partial_record(edge_sr, server, partial, tmp_path):
    cable = Cable(server.port)
    server.know(server.host_key, port=cable.port)
    out = tmp_path / "record.json"

    def cut() -> None:
        while not out.exists():
            time.sleep(0.1)
        cable.cut()

    threading.Thread(target=cut, daemon=True).start()
    made = fake_wheel(tmp_path, waiting(partial))
    result = edge_sr("bench", *CASES, *server.options(cable.port), "--wheel", made, "--out", out)
    assert "was lost with 1 of 2 cases measured" in last(result)
    record = records.read(out)
    assert (record.complete, len(record.results), record.planned) == (False, 1, 2)
    server.wait_until_clean()


def test_ctrl_c_leaves_the_partial_record_here_and_nothing_there(
    processes, server, partial, tmp_path
):
    out, made = tmp_path / "record.json", fake_wheel(tmp_path, waiting(partial))
    process = processes.edge_sr("bench", *CASES, *server.options(), "--wheel", made, "--out", out)
    wait_until(out.exists, process)
    assert any(server.temporary.iterdir())
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    server.wait_until_clean()
    assert process.returncode == 130, said
    assert "holds the 1 cases" in said
    assert not records.read(out).complete


# --- what a target may send


class Sent:
    """A connection that received these bytes."""

    def __init__(self, data: bytes) -> None:
        self.output = io.BytesIO(data)

    def why_not_started(self) -> str:
        return "it did not start"


def frame(kind: str, content: bytes) -> bytes:
    return json.dumps({"kind": kind, "bytes": len(content)}).encode() + b"\n" + content


HELLO = frame("hello", b'{"machine": "aarch64", "system": "Linux"}')


def test_output_of_the_shell_before_the_greeting_is_skipped():
    sent = Sent(b"Welcome to this board\nno GREETING\n" + bootstrap.GREETING + HELLO)
    assert host._machine(sent) == "aarch64"


@pytest.mark.parametrize("data", [b"", b"x" * 10**6, b"y\n" * 10**6, b"edge-sr target 2\n" + HELLO])
def test_a_missing_greeting(data):
    with pytest.raises(UserError, match="it did not start"):
        host._machine(Sent(data))


@pytest.mark.parametrize(
    "data",
    [
        frame("hello", b'{"machine": "arm64", "system": "Darwin"}'),
        frame("hello", b"[]"),
        frame("hello", b"[" * 60_000),
        b'{"kind": "hello", "bytes": -1}\n',
        b'{"kind": "hello", "bytes": 1e300}\n',
        b'{"kind": "hello", "bytes": 99999999999}\n',
        b'{"kind": ["hello"], "bytes": 1}\n1',
        b"\xff\n",
        b"[]\n",
    ],
)
def test_hostile_greetings_are_refused(data):
    with pytest.raises(host._TargetError):
        host._machine(Sent(bootstrap.GREETING + data))


def follow(data: bytes, planned: int = 2) -> records.Record:
    case = suites.request("tinypssr-x2", "upscaler", "int8", "litert", 1, (HEIGHT, WIDTH))
    task = Task(None, (case,) * planned, suites.QUICK)
    return host._follow(Sent(data), task, lambda _: None, lambda _: None)


def test_a_record_is_checked(partial):
    with pytest.raises(host._TargetError, match="an invalid record"):
        follow(frame("record", partial.replace(b"x2", b"x3")) + frame("end", b""))
    with pytest.raises(host._TargetError, match="of other cases"):
        follow(frame("record", partial) + frame("end", b""), planned=3)
    with pytest.raises(host._TargetError, match="ended early"):
        follow(frame("record", partial) + frame("end", b""))
    with pytest.raises(host._LostError, match="with 1 of 2"):
        follow(frame("record", partial) + b'{"kind": "record", "bytes": 100}\n{')


def test_messages_of_the_target_cannot_control_a_terminal():
    with pytest.raises(host._TargetError) as caught:
        follow(frame("error", b"a\x1b[2J\r\n\xff b") + frame("end", b""))
    assert str(caught.value) == "a[2J � b"
