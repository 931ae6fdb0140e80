"""What runs on another machine before anything of ours is there: the standard library alone.

Its source is sent as text and run by that machine's python3. It takes files from standard input,
makes a virtual environment for them in a temporary folder, measures there, and removes the folder,
whatever happens: standard input that ends means that the desk has gone.

To the desk go frames: a line of JSON, {"kind": ..., "bytes": N}, and N bytes.
"""

import errno
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, NoReturn

GREETING = b"edge-sr target 1\n"
"""Comes first; what the machine's shell says of itself may come before it."""

_GRACE_SECONDS = 10
_FULL = (errno.ENOSPC, errno.EDQUOT)


class _RefusedError(Exception):
    """One sentence for the desk."""


def send(kind: str, content: bytes | str) -> None:
    """Send a frame to the desk."""
    content = content.encode() if isinstance(content, str) else content
    sys.stdout.buffer.write(json.dumps({"kind": kind, "bytes": len(content)}).encode() + b"\n")
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def main() -> None:
    """Greet, take the order, measure, leave nothing behind; what went wrong is said last."""
    _on_signals(_leave)
    problem = folder = None
    try:
        folder = Path(tempfile.mkdtemp(prefix="edge-sr-"))
        _serve(folder)
    except _RefusedError as error:
        problem = str(error)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        where = folder or "its temporary folder"
        problem = f"the disk is full at {where}" if error.errno in _FULL else str(error)
        problem += "; TMPDIR there may name a folder with more room"
    finally:
        _on_signals(signal.SIG_IGN)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
    if problem is not None:
        send("error", problem)
    send("end", b"")


def _on_signals(what: Any) -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, what)


def _leave(*_: object) -> NoReturn:
    """Once; on the way out nothing may stop us."""
    _on_signals(signal.SIG_IGN)
    sys.exit(1)


def _serve(folder: Path) -> None:
    sys.stdout.buffer.write(GREETING)
    machine = {"machine": platform.machine(), "system": platform.system()}
    send("hello", json.dumps(machine))
    order = json.loads(_line())
    for name, size in order["files"]:
        _take(folder / name, size)
    threading.Thread(target=_watch, daemon=True).start()
    _install(folder, order["wheel"], order["extras"], bool(order["offline"]))
    send("step", "measuring")
    python = folder / "venv" / "bin" / "python"
    # -P: a folder of the name "benchmarks" where the user stands is none of ours.
    module = "benchmarks.remote.target"
    _run(folder, [python, "-P", "-m", module, folder / "task.json"], own_words=True)


def _line() -> bytes:
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        sys.exit(1)
    return line


def _take(path: Path, size: int) -> None:
    """Write so many bytes of standard input."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        while size:
            data = sys.stdin.buffer.read(min(size, 2**20))
            if not data:
                sys.exit(1)
            file.write(data)
            size -= len(data)


def _watch() -> None:
    """End this process when the desk has gone."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _install(folder: Path, wheel: str, extras: list[str], offline: bool) -> None:
    """Make the virtual environment; an extra that does not install leaves its cases unmeasured."""
    send("step", "making a virtual environment")
    code, said = _run(folder, [sys.executable, "-m", "venv", folder / "venv"])
    if code != 0:
        raise _RefusedError(_without_venv(said))
    index = ["--no-index", "--find-links", folder / "wheels"] if offline else []
    pip = [folder / "venv/bin/python", "-m", "pip", "install", "--no-input", "--no-cache-dir"]
    pip += ["--disable-pip-version-check", "--quiet", *index]
    send("step", "installing edge-sr")
    code, said = _run(folder, [*pip, folder / wheel])
    if code != 0:
        raise _RefusedError(_without_packages(said, offline))
    for extra in extras:
        send("step", f"installing edge-sr[{extra}]")
        code, said = _run(folder, [*pip, f"{folder / wheel}[{extra}]"])
        if code != 0:
            send("step", f"going on without edge-sr[{extra}]: {_last(said)}")


def _without_venv(said: list[str]) -> str:
    _check_room(said)
    if any("ensurepip" in line for line in said):
        return "its python3 makes no virtual environments; `sudo apt install python3-venv` there"
    return f"its python3 cannot make a virtual environment: {_last(said)}"


def _without_packages(said: list[str], offline: bool) -> str:
    _check_room(said)
    errors = [line for line in said if line.startswith("ERROR:")]
    reason = (errors[-1].removeprefix("ERROR:") if errors else _last(said)).strip().rstrip(".")
    more = "add it to --wheels" if offline else "--wheels DIR sends wheels where it has no network"
    return f"pip cannot install edge-sr there: {reason}; {more}"


def _check_room(said: list[str]) -> None:
    if any("No space left on device" in line for line in said):
        raise OSError(errno.ENOSPC, "disk full")


def _last(said: list[str]) -> str:
    return said[-1] if said else "it said nothing"


def _run(folder: Path, command: list[Any], own_words: bool = False) -> tuple[int, list[str]]:
    """Run a program to its end, or end it when we are to leave.

    Args:
        folder: for its temporary files.
        command: the program; it hears of no signal but through us.
        own_words: it talks to the desk itself; that it failed without a word is an error.

    Returns:
        its exit code and what it said.
    """
    environment = {**os.environ, "TMPDIR": str(folder), "LC_ALL": "C.UTF-8"}
    for name in ("PYTHONPATH", "PYTHONHOME"):
        environment.pop(name, None)
    with tempfile.TemporaryFile(dir=folder) as log:
        process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=None if own_words else log,
            stderr=log, env=environment, start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait()
        finally:
            _end(process)
        log.seek(0)
        said = log.read().decode(errors="replace").strip().splitlines()
    if own_words and code not in (0, 2):
        _check_room(said)
        raise _RefusedError(f"the measurement ended with exit code {code}: {_last(said)}")
    return code, said


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let it put its own house in order, then insist."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


if __name__ == "__main__":
    main()
