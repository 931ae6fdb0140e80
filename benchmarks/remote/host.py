"""Measures on a target over SSH: sends the wheel and the artifacts, and receives the record.

Everything goes over one connection to a program (bootstrap.py) that cleans up when the connection
ends.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring.measure import Task
from benchmarks.measuring.suites import BACKENDS
from benchmarks.remote import bootstrap, ssh, task_file, wheel
from benchmarks.remote.ssh import Address, Connection, printable
from edge_sr import records
from edge_sr.errors import UserError
from edge_sr.records import Record
from edge_sr.runtime.runtimes import RUNTIMES

MAX_NOISE = 65_536
_MAX_TEXT = 65_536
_BLOCK = 2**18


@dataclass(frozen=True)
class Target:
    """The machine to measure on.

    Attributes:
        address: where it is.
        wheel: of edge-sr; None to build one from these sources.
        wheels: a folder with wheels of all that edge-sr needs, for a target without a network.
    """

    address: Address
    wheel: Path | None = None
    wheels: Path | None = None


def measure(
    target: Target,
    task: Task,
    keep: Callable[[Record], None],
    previous: Record | None,
    tell: Callable[[str], None],
) -> Record:
    """Measure all cases on the target, as `benchmarks.measuring.measure.measure` does here.

    Args:
        target: the machine.
        task: what to measure; no case names an emulated board.
        keep: receives the record so far: at the start, and after each case.
        previous: an interrupted record.
        tell: receives a line for each step.

    Raises:
        UserError: the target is unreachable, refuses, lacks a requirement, or disconnects.
    """
    ssh.check(target.address)
    wheels = _wheels(target.wheels)
    tell("connecting")
    connection = Connection(target.address, Path(bootstrap.__file__).read_bytes())
    started = False
    try:
        machine = _machine(connection)
        started = True
        with tempfile.TemporaryDirectory(prefix="edge-sr-") as name:
            files = _files(
                target, task, previous, _wheel(target, machine, Path(name), tell), wheels
            )
            _send(connection, files, task, bool(wheels), tell)
        return _follow(connection, task, keep, tell)
    except _LostError as error:
        raise UserError(f"the connection to {target.address.name} was lost {error}") from None
    except _TargetError as error:
        raise UserError(f"{target.address.name}: {error}") from None
    finally:
        if not connection.close() and started:
            tell("cleanup not confirmed; the board removes its files once it sees the disconnect")


class _LostError(Exception):
    """The connection was lost; says when."""


class _TargetError(Exception):
    """An error on the target."""


def _wheels(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    wheels = sorted(path for path in folder.glob("*.whl") if not path.name.startswith("edge_sr-"))
    if not wheels:
        raise UserError(f"{folder} holds no .whl files; download them with `pip download`")
    return wheels


def _machine(connection: Connection) -> str:
    """Return the target's machine type from its greeting; skips what its shell prints before.

    Raises:
        UserError: the target sends no greeting.
        _TargetError: the target does not run Linux.
    """
    noise = 0
    while (line := connection.output.readline(MAX_NOISE)) != bootstrap.GREETING:
        noise += len(line)
        if not line or noise > MAX_NOISE:
            raise UserError(connection.why_not_started())
    kind, content = next(_frames(connection), ("", b""))
    if kind != "hello":
        raise _TargetError(_text(content)) if kind == "error" else _LostError("at the start")
    facts = _json(content)
    if facts.get("system") != "Linux" or not isinstance(facts.get("machine"), str):
        raise _TargetError(f"the system is {printable(str(facts.get('system')))}; Linux is needed")
    return printable(str(facts["machine"]))


def _wheel(target: Target, machine: str, folder: Path, tell: Callable[[str], None]) -> Path:
    if target.wheel is None:
        tell(f"building the wheel for {machine}")
        return wheel.build(folder, machine)
    wheel.check(target.wheel, machine)
    return target.wheel


def _files(
    target: Target, task: Task, previous: Record | None, own: Path, wheels: list[Path]
) -> dict[str, bytes | Path]:
    """Return all files to send by their names on the target; the wheel of edge-sr is first."""
    text, models = task_file.write(task, previous is not None)
    files: dict[str, bytes | Path] = {own.name: own, "task.json": text, **models}
    if previous is not None:
        files["previous.json"] = records.dumps(previous).encode()
    return files | {f"wheels/{path.name}": path for path in wheels}


def _send(
    connection: Connection,
    files: dict[str, bytes | Path],
    task: Task,
    offline: bool,
    tell: Callable[[str], None],
) -> None:
    """Send the request and all files; an error on the target is reported later."""
    sizes = {
        name: len(content) if isinstance(content, bytes) else content.stat().st_size
        for name, content in files.items()
    }
    request = {
        "files": list(sizes.items()),
        "wheel": next(iter(files)),
        "extras": _extras(task),
        "offline": offline,
    }
    tell(f"sending {len(files)} files, {sum(sizes.values()) / 1e6:.1f} MB")
    connection.write(json.dumps(request).encode() + b"\n")
    for content in files.values():
        if not all(map(connection.write, _blocks(content))):
            return


def _blocks(content: bytes | Path) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _extras(task: Task) -> list[str]:
    """Return the extras of edge-sr that the cases need; LiteRT needs none."""
    backends = {case.backend for case in task.cases}
    extras = {
        "gpu" if BACKENDS[name].delegate == "cuda" else RUNTIMES[BACKENDS[name].runtime].extra
        for name in backends
    }
    return sorted(extras - {"all"})


def _follow(
    connection: Connection, task: Task, keep: Callable[[Record], None], tell: Callable[[str], None]
) -> Record:
    """Keep the records that arrive until the target has finished and cleaned up."""
    record = problem = None
    for kind, content in _frames(connection):
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
        raise _LostError(f"with {done} of {len(task.cases)} cases measured")
    if problem is not None:
        raise _TargetError(problem)
    if record is None or not record.complete:
        raise _TargetError("the measurement ended early")
    return record


def _record(content: bytes, task: Task) -> Record:
    try:
        record = records.loads(content)
    except UserError as error:
        raise _TargetError(f"it sent an invalid record: {error}") from None
    if (record.suite, record.planned) != (task.suite, len(task.cases)):
        raise _TargetError("it sent a record of other cases")
    return record


def _frames(connection: Connection) -> Iterator[tuple[str, bytes]]:
    """Yield the complete frames that the target sends."""
    while (line := connection.output.readline(_MAX_TEXT)).endswith(b"\n"):
        header = _json(line)
        kind, size = header.get("kind"), header.get("bytes")
        limit = records.MAX_BYTES if kind == "record" else _MAX_TEXT
        if not isinstance(kind, str) or type(size) is not int or not 0 <= size <= limit:
            raise _TargetError("it sent an invalid frame")
        content = connection.output.read(size)
        if len(content) < size:
            return
        yield kind, content


def _json(data: bytes) -> dict[str, object]:
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise _TargetError("it sent an invalid frame")
    return values


def _text(content: bytes) -> str:
    return printable(content.decode(errors="replace"))
