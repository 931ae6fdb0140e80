"""The file of a network that a runtime and a precision mean."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from edge_sr.cores import cores
from edge_sr.errors import UserError
from edge_sr.files import check_is_file
from edge_sr.runtime.opening import open_session
from edge_sr.runtime.pixels import UNIT, state_range
from edge_sr.runtime.runtimes import RUNTIMES, find_runtime
from edge_sr.runtime.session import PixelRange, Session
from edge_sr.zoo import catalog
from edge_sr.zoo.catalog import Network, Precision

DEFAULT_RUNTIME = "litert"


@dataclass(frozen=True)
class Artifact:
    """An upscaler's file with the runtime that opens it.

    Attributes:
        name: the network's id with its precision, "tinypssr-x2 int8", or the file's name.
        path: the file.
        runtime: one of `RUNTIMES`.
    """

    name: str
    path: Path
    runtime: str


def choose(
    network: Network, runtime: str | None = None, precision: Precision | None = None
) -> Artifact:
    """The file of an upscaler.

    Args:
        network: a shipped upscaler or a file.
        runtime: one of `RUNTIMES`; None for LiteRT, or for what opens the file.
        precision: "int8" or "float32" of a shipped network; None for int8, in Keras float32. That
            of a file is checked when it is opened.

    Raises:
        UserError: the runtime is unknown or lacks the precision.
    """
    check_runtime(runtime)
    if network.path is not None:
        return Artifact(network.id, network.path, runtime or _opens(network.path))
    assert network.entry is not None
    runtime = runtime or DEFAULT_RUNTIME
    if runtime == "keras":
        if precision == "int8":
            raise UserError("the runtime keras computes in float32; leave --int8 out")
        return Artifact(f"{network.id} float32", network.entry.checkpoint("float32"), runtime)
    if runtime == "engine" and precision == "float32":
        raise UserError("the runtime engine computes in int8; leave --float32 out")
    precision = precision or "int8"
    path = network.entry.file(precision, RUNTIMES[runtime].suffix)
    return Artifact(f"{network.id} {precision}", path, runtime)


def check_runtime(runtime: str | None) -> None:
    """Refuse an unknown runtime.

    Raises:
        UserError: `runtime` is neither None nor one of `RUNTIMES`.
    """
    if runtime is not None and runtime not in RUNTIMES:
        raise UserError(f"unknown runtime {runtime!r}; available: {', '.join(RUNTIMES)}")


def check_options(
    name: str | None = None,
    scale: int | None = None,
    runtime: str | None = None,
    precision: Precision | None = None,
    threads: int | None = None,
) -> None:
    """Check the arguments of `open_upscaler` without opening anything.

    Raises:
        UserError: no network, runtime or number of threads is as named.
    """
    artifact = choose(catalog.resolve(name, scale, kind="super-resolution"), runtime, precision)
    find_runtime(artifact.runtime, 1 if threads is None else threads)
    check_is_file(artifact.path, f"a {RUNTIMES[artifact.runtime].suffix} model")


def _opens(path: Path) -> str:
    """The first runtime that opens files of that suffix."""
    return next(name for name, known in RUNTIMES.items() if known.suffix == path.suffix.lower())


def open_upscaler(
    name: str | None = None,
    scale: int | None = None,
    runtime: str | None = None,
    precision: Precision | None = None,
    threads: int | None = None,
    input_range: PixelRange | None = None,
    output_range: PixelRange | None = None,
) -> tuple[Artifact, Session]:
    """Find an upscaler and open it.

    Args:
        name: as in `catalog.resolve`.
        scale: that it must have; None for any.
        runtime: as in `choose`.
        precision: that it must compute in; None for any.
        threads: 1 to 64; None for one per core where the runtime takes several.
        input_range: of the pixels that a file takes; None to read it from the file, where float32
            means 0..1.
        output_range: of the pixels that it gives; None to read it from the file, where it is the
            input's if the file does not tell.

    Raises:
        UserError: as `catalog.resolve` and `choose`, or the file is damaged, or its scale or
            precision is another, or a range is stated for a shipped network.
    """
    network = catalog.resolve(name, scale, kind="super-resolution")
    artifact = choose(network, runtime, precision)
    for name, stated in (("input", input_range), ("output", output_range)):
        if stated is not None and network.path is None:
            raise UserError(f"{network.id} has pixels {UNIT}; leave --{name}-range out")
    if threads is None:
        threads = len(cores()) if RUNTIMES[artifact.runtime].threaded else 1
    session = open_session(artifact.path, artifact.runtime, threads)
    if scale is not None and session.scale != scale:
        raise UserError(f"{artifact.path} upscales x{session.scale}, not x{scale}")
    if precision not in (None, session.precision):
        raise UserError(f"{artifact.path} computes in {session.precision}, not in {precision}")
    if input_range is not None:
        state_range(session, input_range)
    if output_range is not None:
        session.output = dataclasses.replace(session.output, pixels=output_range)
    return artifact, session
