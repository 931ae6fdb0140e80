"""Sets up a measurement on the target: the first program there, of the standard library alone.

The host sends its source as text to the target's python3. The program reads files from standard
input, makes a virtual environment for them in a temporary folder, measures there, and always
removes the folder: standard input that ends means that the host has disconnected.

It sends frames to the host: a line of JSON, {"kind": ..., "bytes": N}, and N bytes.
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
"""The first line; the target's shell may print text before it."""

_GRACE_SECONDS = 10
_FULL = (errno.ENOSPC, errno.EDQUOT)


class _RefusedError(Exception):
    """One sentence for the host."""


def send(kind: str, content: bytes | str) -> None:
    """Send a frame to the host."""
    content = content.encode() if isinstance(content, str) else content
    sys.stdout.buffer.write(json.dumps({"kind": kind, "bytes": len(content)}).encode() + b"\n")
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def main() -> None:
    """Greet, read the request, measure, remove all files; report an error last."""
    _on_signals(_exit)
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
        problem += "; set TMPDIR there to a folder with more space"
    finally:
        _on_signals(signal.SIG_IGN)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
    if problem is not None:
        send("error", problem)
    send("end", b"")


def _on_signals(handler: Any) -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)


def _exit(*_: object) -> NoReturn:
    """Exit; further signals must not interrupt the cleanup."""
    _on_signals(signal.SIG_IGN)
    sys.exit(1)


def _serve(folder: Path) -> None:
    sys.stdout.buffer.write(GREETING)
    machine = {"machine": platform.machine(), "system": platform.system()}
    send("hello", json.dumps(machine))
    request = json.loads(_line())
    for name, size in request["files"]:
        _receive(folder / name, size)
    threading.Thread(target=_watch, daemon=True).start()
    _install(folder, request["wheel"], request["extras"], bool(request["offline"]))
    send("step", "measuring")
    python = folder / "venv" / "bin" / "python"
    # -P: a folder "benchmarks" in the current folder must not be imported.
    module = "benchmarks.remote.target"
    _run(folder, [python, "-P", "-m", module, folder / "task.json"], sends_frames=True)


def _line() -> bytes:
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        sys.exit(1)
    return line


def _receive(path: Path, size: int) -> None:
    """Write `size` bytes of standard input to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        while size:
            data = sys.stdin.buffer.read(min(size, 2**20))
            if not data:
                sys.exit(1)
            file.write(data)
            size -= len(data)


def _watch() -> None:
    """End this process when the host has disconnected."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _install(folder: Path, wheel: str, extras: list[str], offline: bool) -> None:
    """Make the virtual environment. The cases of an extra that does not install stay unmeasured."""
    send("step", "making a virtual environment")
    code, output = _run(folder, [sys.executable, "-m", "venv", folder / "venv"])
    if code != 0:
        raise _RefusedError(_without_venv(output))
    index = ["--no-index", "--find-links", folder / "wheels"] if offline else []
    pip = [folder / "venv/bin/python", "-m", "pip", "install", "--no-input", "--no-cache-dir"]
    pip += ["--disable-pip-version-check", "--quiet", *index]
    send("step", "installing edge-sr")
    code, output = _run(folder, [*pip, folder / wheel])
    if code != 0:
        raise _RefusedError(_without_packages(output, offline))
    for extra in extras:
        send("step", f"installing edge-sr[{extra}]")
        code, output = _run(folder, [*pip, f"{folder / wheel}[{extra}]"])
        if code != 0:
            send("step", f"continuing without edge-sr[{extra}]: {_last(output)}")


def _without_venv(output: list[str]) -> str:
    _check_space(output)
    if any("ensurepip" in line for line in output):
        return "its python3 has no venv module; run `sudo apt install python3-venv` there"
    return f"its python3 cannot make a virtual environment: {_last(output)}"


def _without_packages(output: list[str], offline: bool) -> str:
    _check_space(output)
    errors = [line for line in output if line.startswith("ERROR:")]
    reason = (errors[-1].removeprefix("ERROR:") if errors else _last(output)).strip().rstrip(".")
    more = "add it to --wheels" if offline else "without a network there, use --wheels DIR"
    return f"pip cannot install edge-sr there: {reason}; {more}"


def _check_space(output: list[str]) -> None:
    if any("No space left on device" in line for line in output):
        raise OSError(errno.ENOSPC, "disk full")


def _last(output: list[str]) -> str:
    return output[-1] if output else "no output"


def _run(folder: Path, command: list[Any], sends_frames: bool = False) -> tuple[int, list[str]]:
    """Run a program to its end, or end it when this process must exit.

    Args:
        folder: for its temporary files.
        command: the program; signals reach it through this process alone.
        sends_frames: whether it sends frames to the host; if so, a failure without one is an error.

    Returns:
        its exit code and its output.
    """
    environment = {**os.environ, "TMPDIR": str(folder), "LC_ALL": "C.UTF-8"}
    for name in ("PYTHONPATH", "PYTHONHOME"):
        environment.pop(name, None)
    with tempfile.TemporaryFile(dir=folder) as log:
        process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=None if sends_frames else log,
            stderr=log, env=environment, start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait()
        finally:
            _end(process)
        log.seek(0)
        output = log.read().decode(errors="replace").strip().splitlines()
    if sends_frames and code not in (0, 2):
        _check_space(output)
        raise _RefusedError(f"the measurement ended with exit code {code}: {_last(output)}")
    return code, output


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process: ask it to clean up, then kill it."""
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
