"""Measures on another machine over SSH: sends the wheel and the artifacts, brings the record back.

All of it is one connection to a program (bootstrap.py) that cleans up whenever the connection ends.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring.measure import Task
from benchmarks.measuring.suites import BACKENDS
from benchmarks.remote import bootstrap, ssh, task_file, wheel
from benchmarks.remote.ssh import Host, Remote, printable
from edge_sr import records
from edge_sr.errors import UserError
from edge_sr.records import Record
from edge_sr.runtime.runtimes import RUNTIMES

MAX_NOISE = 65_536
_MAX_TEXT = 65_536
_BLOCK = 2**18


@dataclass(frozen=True)
class Target:
    """Another machine, and what it gets.

    Attributes:
        host: where it is.
        wheel: of edge-sr; None to build one of these sources.
        wheels: a folder with wheels of all that edge-sr needs, for a machine without a network.
    """

    host: Host
    wheel: Path | None = None
    wheels: Path | None = None


def measure(
    target: Target,
    task: Task,
    keep: Callable[[Record], None],
    former: Record | None,
    tell: Callable[[str], None],
) -> Record:
    """Measure all cases there, as `benchmarks.measuring.measure.measure` does here.

    Args:
        target: where.
        task: what; no case names an emulated board.
        keep: gets the record so far: at the start, and after each case.
        former: a record that was interrupted.
        tell: gets a line for each step.

    Raises:
        UserError: the machine is not reached, refuses, lacks what is needed, or is lost on the way.
    """
    ssh.check(target.host)
    wheels = _wheels(target.wheels)
    tell("connecting")
    remote = Remote(target.host, Path(bootstrap.__file__).read_bytes())
    started = False
    try:
        machine = _machine(remote)
        started = True
        with tempfile.TemporaryDirectory(prefix="edge-sr-") as name:
            files = _files(target, task, former, _wheel(target, machine, Path(name), tell), wheels)
            _send(remote, files, task, bool(wheels), tell)
        return _follow(remote, task, keep, tell)
    except _LostError as error:
        raise UserError(f"the connection to {target.host.name} was lost {error}") from None
    except _ThereError as error:
        raise UserError(f"{target.host.name}: {error}") from None
    finally:
        if not remote.close() and started:
            tell("not seen to clean up; it does so when it notices that the connection has ended")


class _LostError(Exception):
    """When."""


class _ThereError(Exception):
    """What the other machine says went wrong there."""


def _wheels(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    found = sorted(path for path in folder.glob("*.whl") if not path.name.startswith("edge_sr-"))
    if not found:
        raise UserError(f"{folder} holds no .whl; `pip download` brings them there")
    return found


def _machine(remote: Remote) -> str:
    """The kind of machine that greets; what its shell says before that is passed over.

    Raises:
        UserError: there is no greeting, or it is not Linux.
    """
    noise = 0
    while (line := remote.output.readline(MAX_NOISE)) != bootstrap.GREETING:
        noise += len(line)
        if not line or noise > MAX_NOISE:
            raise UserError(remote.why_not_started())
    kind, content = next(_frames(remote), ("", b""))
    if kind != "hello":
        raise _ThereError(_text(content)) if kind == "error" else _LostError("at the start")
    facts = _json(content)
    if facts.get("system") != "Linux" or not isinstance(facts.get("machine"), str):
        raise _ThereError(f"this is {printable(str(facts.get('system')))}; Linux is needed")
    return printable(str(facts["machine"]))


def _wheel(target: Target, machine: str, folder: Path, tell: Callable[[str], None]) -> Path:
    if target.wheel is None:
        tell(f"building the wheel for {machine}")
        return wheel.build(folder, machine)
    wheel.check(target.wheel, machine)
    return target.wheel


def _files(
    target: Target, task: Task, former: Record | None, own: Path, wheels: list[Path]
) -> dict[str, bytes | Path]:
    """All that is sent, by the names that it has there; the wheel of edge-sr comes first."""
    text, models = task_file.write(task, former is not None)
    files: dict[str, bytes | Path] = {own.name: own, "task.json": text, **models}
    if former is not None:
        files["former.json"] = records.dumps(former).encode()
    return files | {f"wheels/{path.name}": path for path in wheels}


def _send(
    remote: Remote,
    files: dict[str, bytes | Path],
    task: Task,
    offline: bool,
    tell: Callable[[str], None],
) -> None:
    """Send the order and all files; what stops that is heard of later."""
    sizes = {
        name: len(content) if isinstance(content, bytes) else content.stat().st_size
        for name, content in files.items()
    }
    asked = {
        "files": list(sizes.items()),
        "wheel": next(iter(files)),
        "extras": _extras(task),
        "offline": offline,
    }
    tell(f"sending {len(files)} files, {sum(sizes.values()) / 1e6:.1f} MB")
    remote.write(json.dumps(asked).encode() + b"\n")
    for content in files.values():
        if not all(map(remote.write, _blocks(content))):
            return


def _blocks(content: bytes | Path) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _extras(task: Task) -> list[str]:
    """Of edge-sr, for the runtimes of the cases; "all" is what LiteRT needs, and comes anyway."""
    backends = {wanted.backend for wanted in task.wanted}
    extras = {
        "gpu" if BACKENDS[name].delegate == "cuda" else RUNTIMES[BACKENDS[name].runtime].extra
        for name in backends
    }
    return sorted(extras - {"all"})


def _follow(
    remote: Remote, task: Task, keep: Callable[[Record], None], tell: Callable[[str], None]
) -> Record:
    """Keep what comes until the other side has ended and cleaned up."""
    record = problem = None
    for kind, content in _frames(remote):
        if kind == "step":
            tell(_text(content))
        elif kind == "record":
            record = _record(content, task)
            keep(record)
        elif kind == "error":
            problem = problem or _text(content)
        elif kind == "end":
            break
    else:
        done = len(record.results) if record else 0
        raise _LostError(f"with {done} of {len(task.wanted)} cases measured")
    if problem is not None:
        raise _ThereError(problem)
    if record is None or not record.complete:
        raise _ThereError("the measurement ended early")
    return record


def _record(content: bytes, task: Task) -> Record:
    try:
        record = records.loads(content)
    except UserError as error:
        raise _ThereError(f"it sent a record that is none: {error}") from None
    if (record.suite, record.planned) != (task.suite, len(task.wanted)):
        raise _ThereError("it sent a record of something else")
    return record


def _frames(remote: Remote) -> Iterator[tuple[str, bytes]]:
    """What the guest sends, as long as it is whole."""
    while (line := remote.output.readline(_MAX_TEXT)).endswith(b"\n"):
        header = _json(line)
        kind, size = header.get("kind"), header.get("bytes")
        limit = records.MAX_BYTES if kind == "record" else _MAX_TEXT
        if not isinstance(kind, str) or type(size) is not int or not 0 <= size <= limit:
            raise _ThereError("it sends what edge-sr never sends")
        content = remote.output.read(size)
        if len(content) < size:
            return
        yield kind, content


def _json(data: bytes) -> dict[str, object]:
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise _ThereError("it sends what edge-sr never sends")
    return values


def _text(content: bytes) -> str:
    return printable(content.decode(errors="replace"))
