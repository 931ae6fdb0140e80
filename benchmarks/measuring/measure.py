"""Measures cases, each in a fresh process, and makes a record of them."""

import hashlib
import importlib.util
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.measuring import device, flags, images, process, subject
from benchmarks.measuring.job import Answer, Job
from benchmarks.measuring.reference import References
from benchmarks.measuring.subject import Subject
from benchmarks.measuring.suites import BACKENDS, Wanted
from edge_sr import graph, records
from edge_sr.data.image_types import Pixels
from edge_sr.errors import UserError, VerificationError
from edge_sr.graph import read_bytes, read_graph
from edge_sr.models import registry
from edge_sr.records import (
    Case,
    Device,
    File,
    Mark,
    Memory,
    Network,
    Record,
    Result,
    Sampling,
    Status,
)
from edge_sr.runtime.interfaces import PART_CHANNELS
from edge_sr.runtime.runtimes import RUNTIMES

Converter = Callable[[bytes], bytes]
"""Makes an .onnx of a .tflite."""

Emulator = Callable[[Case, bytes, Pixels], Result]
"""Runs a case's .tflite on its emulated board, with an image as its input."""


@dataclass(frozen=True)
class Task:
    """What to measure and how.

    Attributes:
        suite: its name; None where cases were named one by one.
        wanted: the cases.
        sampling: of each.
        convert: makes the .onnx of networks that ship without one.
        emulate: runs what names a board.
    """

    suite: str | None
    wanted: tuple[Wanted, ...]
    sampling: Sampling
    convert: Converter | None = None
    emulate: Emulator | None = None


class _NotHereError(Exception):
    """What a case needs is not there; one sentence."""


def measure(task: Task, keep: Callable[[Record], None], former: Record | None = None) -> Record:
    """Measure all cases.

    Args:
        task: what to measure.
        keep: gets the record so far: at the start, and after each case.
        former: a record that was interrupted; what it measured of the same files is taken over,
            and nothing of it leaves the record before it is replaced.

    Raises:
        UserError: `former` was made on another device, with other software or sampling, or of
            other cases; nothing was kept then.
    """
    record = Record(
        suite=task.suite,
        started=records.now(),
        complete=False,
        planned=len(task.wanted),
        device=device.read_device(),
        software=device.read_software(),
        sampling=task.sampling,
        results=(),
    )
    places: list[Result | None] = [None] * record.planned
    if former is not None:
        _check_former(former, record)
        places = _in_place(former, task.wanted)
    known = {result.case: result for result in places if result and result.status == "measured"}
    keep(_with(record, places))
    with tempfile.TemporaryDirectory(prefix="edge-sr-") as folder:
        bench = _Bench(task, record.device, Path(folder))
        for index, wanted in enumerate(task.wanted):
            places[index] = bench.run(wanted, known)
            keep(_with(record, places))
    return _with(record, places)


def _with(record: Record, places: Sequence[Result | None]) -> Record:
    """The record with the results that there are."""
    results = tuple(result for result in places if result is not None)
    return replace(record, results=results, complete=len(results) == record.planned)


def _check_former(former: Record, record: Record) -> None:
    same = (former.device, former.software, former.sampling)
    if same != (record.device, record.software, record.sampling):
        raise UserError(
            "the record to go on with was made on another device, or with other software or "
            "sampling; measure anew"
        )


def _in_place(former: Record, wanted: Sequence[Wanted]) -> list[Result | None]:
    """The former results where those of the same cases will be.

    Raises:
        UserError: some have no place.
    """
    found = {result.case.key: result for result in former.results}
    places = [found.pop(_unseen(item).key, None) for item in wanted]
    if found:
        raise UserError(
            f"the record to go on with holds other cases, such as {next(iter(found))}; name all "
            "of its cases again, or measure anew"
        )
    return places


def _unseen(wanted: Wanted) -> Case:
    """A case whose network was not looked for."""
    network = Network(wanted.network, wanted.part, wanted.precision, None, None, None, ())
    return _case(wanted, network, _channels(wanted))


def _channels(wanted: Wanted) -> int:
    """How many a network takes that may not be at hand."""
    for name in registry.names("super-resolution"):
        if wanted.network.rpartition(" x")[0] == name:
            return registry.get(name).channels
    return 1 if wanted.part == "upscaler" else PART_CHANNELS


class _Bench:
    """Runs cases; converted files and references are kept between them."""

    def __init__(self, task: Task, machine: Device, folder: Path) -> None:
        self._task = task
        self._device = machine
        self._folder = folder
        self._references = References(folder)

    def run(self, wanted: Wanted, known: dict[Case, Result]) -> Result:
        """One case, whatever becomes of it."""
        case = _unseen(wanted)
        try:
            found = wanted.subject or self._find(wanted)
            artifact = self._artifact(found, wanted)
            case = _case(wanted, _network(found, artifact, wanted), found.interface.channels)
            if case in known:
                return known[case]
            self._check_here(wanted)
            if case.board is not None and self._task.emulate is not None:
                pixels, _ = images.make(
                    case.network.part, case.height, case.width, found.interface.scale, case.channels
                )
                return self._task.emulate(case, read_bytes(artifact), pixels)
        except _NotHereError as error:
            return _without(case, "not measured", str(error))
        except (UserError, VerificationError) as error:
            return _without(case, "failed", str(error))
        return self._measure(case, found, artifact, wanted)

    def _find(self, wanted: Wanted) -> Subject:
        try:
            return subject.find(wanted.network, wanted.part, wanted.precision)
        except UserError as error:
            raise _NotHereError(f"not shipped: {error}") from None

    def _artifact(self, found: Subject, wanted: Wanted) -> Path:
        """The file for the runtime; an .onnx is made of the .tflite where none ships."""
        suffix = BACKENDS[wanted.backend].suffix
        path = found.files.get(suffix)
        if path is not None:
            return path
        if suffix != ".onnx" or self._task.convert is None or ".tflite" not in found.files:
            raise _NotHereError(f"{found.name} has no {suffix} file, which {wanted.backend} opens")
        made = self._folder / f"{found.name}-{found.part}-{found.precision}.onnx"
        if not made.exists():
            try:
                made.write_bytes(self._task.convert(read_bytes(found.files[".tflite"])))
            except VerificationError as error:
                raise UserError(str(error)) from None
        return made

    def _check_here(self, wanted: Wanted) -> None:
        backend = BACKENDS[wanted.backend]
        runtime = RUNTIMES[backend.runtime]
        if importlib.util.find_spec(runtime.package) is None:
            raise _NotHereError(
                f"this needs {runtime.package}, which is missing; "
                f"`pip install 'edge-sr[{runtime.extra}]'` brings it"
            )
        if backend.delegate == "cuda" and self._device.gpu is None:
            raise _NotHereError("there is no CUDA GPU here")
        if wanted.threads > self._device.cores:
            raise _NotHereError(
                f"{wanted.threads} threads are more than the {self._device.cores} cores here"
            )

    def _measure(self, case: Case, found: Subject, artifact: Path, wanted: Wanted) -> Result:
        job = Job(
            artifact=artifact.resolve(),
            runtime=case.runtime,
            delegate=case.delegate,
            threads=case.threads,
            pinned=case.pinned,
            part=found.part,
            interface=found.interface,
            height=case.height,
            width=case.width,
            sampling=self._task.sampling,
            end_to_end=wanted.end_to_end,
            output=self._folder / "output.npy",
        )
        started = records.now()
        answer = process.do(job)
        if answer.error is not None:
            return _without(case, "failed", answer.error)
        made = _result(case, started, answer, _file_memory(found, artifact))
        output = self._references.judge(job, found, answer.repeats)
        more: list[Mark] = ["emulated"] if self._device.emulated else []
        more += ["wrong"] if output.right is False else []
        return replace(made, output=output, marks=(*more, *made.marks))


def _case(wanted: Wanted, network: Network, channels: int) -> Case:
    backend = BACKENDS[wanted.backend]
    return Case(
        network=network,
        runtime=backend.runtime,
        delegate=backend.delegate,
        threads=wanted.threads,
        pinned=wanted.pinned,
        height=wanted.height,
        width=wanted.width,
        channels=channels,
        board=wanted.board,
    )


def _network(found: Subject, artifact: Path, wanted: Wanted) -> Network:
    height, width = found.sides(wanted.height, wanted.width)
    data = read_bytes(artifact)
    parameters = macs = None
    if ".tflite" in found.files:
        network = read_graph(found.files[".tflite"])
        parameters = graph.parameters(network)
        macs = round(graph.macs_per_pixel(network) * height * width)
    file = File(artifact.name, len(data), hashlib.sha256(data).hexdigest())
    return Network(found.name, found.part, found.precision, parameters, macs, file, found.quality)


def _file_memory(found: Subject, artifact: Path) -> list[Memory]:
    made = [Memory("file", artifact.stat().st_size, f"the {artifact.suffix} file")]
    if artifact.suffix == ".tflite":
        weights = sum(
            tensor.data.nbytes
            for tensor in read_graph(artifact).constants()
            if tensor.data is not None
        )
        made.append(Memory("weights", weights, "all constants of the .tflite as it stores them"))
    return made


def _without(case: Case, status: Status, reason: str) -> Result:
    """A result without samples; what a runtime says may have several lines."""
    sentence = " ".join(reason.split())
    return Result(
        case, status, sentence, records.now(), None, (), (), (), *(None,) * 5, marks=()
    )  # fmt: skip


def _result(case: Case, started: str, answer: Answer, files: Sequence[Memory]) -> Result:
    assert answer.before is not None
    assert answer.after is not None
    others = flags.other_load(answer.before, answer.after, answer.own_ns, answer.wall_ns)
    return Result(
        case=case,
        status="measured",
        reason=None,
        started=started,
        cold=answer.cold,
        timings=answer.timings,
        operators=answer.operators,
        memory=(*files, *answer.memory),
        output=None,
        instructions=None,
        before=answer.before,
        after=answer.after,
        other_load=others,
        marks=tuple(flags.find(answer.timings, answer.before, answer.after, others)),
        kernels=answer.kernels,
    )
