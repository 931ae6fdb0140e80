"""`edge-sr bench --host`: the options of another machine, and what measures there."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_sr.cli.common import parse_path, say
from edge_sr.errors import UserError

if TYPE_CHECKING:
    from benchmarks.measuring.measure import Task
    from edge_sr.records import Record

    Measure = Callable[[Task, Callable[[Record], None], Record | None], Record]

HostOption = Annotated[
    str | None,
    typer.Option(
        metavar="USER@BOARD",
        help="Measure there, over SSH: with a key, and only if the host is known.",
    ),
]
PortOption = Annotated[
    int | None, typer.Option(min=1, max=65535, help="Of --host.", show_default="as ssh has it")
]
IdentityOption = Annotated[
    Path | None,
    typer.Option(
        parser=parse_path, metavar="FILE", help="Private key.", show_default="as ssh has it"
    ),
]
WheelOption = Annotated[
    Path | None,
    typer.Option(
        parser=parse_path, metavar="FILE", help="edge-sr's for --host.", show_default="built"
    ),
]
WheelsOption = Annotated[
    Path | None,
    typer.Option(
        parser=parse_path,
        metavar="DIR",
        help="Wheels of what edge-sr needs, for a --host without a network.",
        show_default="none",
    ),
]


def measurer(
    host: str | None,
    port: int | None,
    identity: Path | None,
    wheel: Path | None,
    wheels: Path | None,
) -> "Measure":
    """What measures: here, or where the options say.

    Raises:
        UserError: there are options of a host, but no host.
    """
    if host is None:
        from benchmarks.measuring import measure

        if any(option is not None for option in (port, identity, wheel, wheels)):
            raise UserError("--port, --identity, --wheel and --wheels go with --host")
        return measure.measure
    from benchmarks.remote import host as remote
    from benchmarks.remote import ssh

    place = ssh.Host(host, port, identity)
    target = remote.Target(place, wheel, wheels)

    def there(task: "Task", keep: Callable[["Record"], None], former: "Record | None") -> "Record":
        if any(wanted.board is not None for wanted in task.wanted):
            raise UserError("--board emulates a board here; leave --host out")
        return remote.measure(target, task, keep, former, lambda text: say(f"{host}: {text}"))

    return there
