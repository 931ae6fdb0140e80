"""Measures cases, each in a fresh process, and returns a record of them."""

import hashlib
import importlib.util
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.measuring import device, flags, images, noise, process
from benchmarks.measuring import subject as subjects
from benchmarks.measuring.job import Answer, Job
from benchmarks.measuring.reference import References, fits_tflm
from benchmarks.measuring.subject import Subject
from benchmarks.measuring.suites import BACKENDS, CaseRequest
from edge_sr import graph, records
from edge_sr.errors import UserError, VerificationError
from edge_sr.graph import read_bytes, read_graph
from edge_sr.models import registry
from edge_sr.records import (
    Case,
    Device,
    File,
    Flag,
    Memory,
    Network,
    Record,
    Result,
    Sampling,
    Status,
)
from edge_sr.runtime.arrays import ArrayInterface
from edge_sr.runtime.interfaces import PART_CHANNELS
from edge_sr.runtime.pixels import encode
from edge_sr.runtime.runtimes import RUNTIMES
from edge_sr.runtime.session import Interface

Converter = Callable[[bytes], bytes]
"""Converts a .tflite to an .onnx."""

Emulator = Callable[[Case, bytes, np.ndarray], Result]
"""Runs a case's .tflite on its emulated board, with the values of its input."""


@dataclass(frozen=True)
class Task:
    """What to measure and how.

    Attributes:
        suite: its name; None where the cases are not those of a suite.
        cases: to measure.
        sampling: of each case.
        convert: makes the .onnx of networks that are shipped without one.
        emulate: runs the cases that name a board.
    """

    suite: str | None
    cases: tuple[CaseRequest, ...]
    sampling: Sampling
    convert: Converter | None = None
    emulate: Emulator | None = None


class _NotHereError(Exception):
    """Something that a case needs is missing here; one sentence."""


def measure(task: Task, keep: Callable[[Record], None], previous: Record | None = None) -> Record:
    """Measure all cases.

    Args:
        task: what to measure.
        keep: receives the record so far: at the start, and after each case.
        previous: an interrupted record. Its results of the same files are reused, and each of its
            results stays in the record until a new one replaces it.

    Raises:
        UserError: `previous` is of another device, other software, other sampling or other cases;
            `keep` was not called then.
    """
    record = Record(
        suite=task.suite,
        started=records.now(),
        complete=False,
        planned=len(task.cases),
        device=device.read_device(),
        software=device.read_software(),
        sampling=task.sampling,
        results=(),
    )
    results: list[Result | None] = [None] * record.planned
    if previous is not None:
        _check_previous(previous, record)
        results = _match(previous, task.cases)
    known = {result.case: result for result in results if result and result.status == "measured"}
    keep(_with(record, results))
    with tempfile.TemporaryDirectory(prefix="edge-sr-") as folder:
        bench = _Bench(task, record.device, Path(folder))
        for index, request in enumerate(task.cases):
            results[index] = bench.run(request, known)
            keep(_with(record, results))
    return _with(record, results)


def _with(record: Record, results: Sequence[Result | None]) -> Record:
    """Return the record with the results so far."""
    measured = tuple(result for result in results if result is not None)
    return replace(record, results=measured, complete=len(measured) == record.planned)


def _check_previous(previous: Record, record: Record) -> None:
    same = (previous.device, previous.software, previous.sampling)
    if same != (record.device, record.software, record.sampling):
        raise UserError(
            "the record to resume was measured on another device, or with other software or "
            "sampling; start a new record"
        )


def _match(previous: Record, requests: Sequence[CaseRequest]) -> list[Result | None]:
    """Return the previous result of each request, or None.

    Raises:
        UserError: some previous results belong to no request.
    """
    left = {result.case.key: result for result in previous.results}
    matched = [left.pop(_unseen(request).key, None) for request in requests]
    if left:
        raise UserError(
            f"the record to resume holds other cases, such as {next(iter(left))}; name all of its "
            "cases again, or start a new record"
        )
    return matched


def _unseen(request: CaseRequest) -> Case:
    """Return the case of a request, its network not yet opened."""
    network = Network(request.network, request.part, request.precision, None, None, None, ())
    return _case(request, network, _channels(request))


def _channels(request: CaseRequest) -> int:
    """Return the channels of a network's image; the network may not be shipped."""
    if request.subject is not None:
        return request.subject.channels
    model = request.network.rpartition("-x")[0]
    if model in registry.names("super-resolution"):
        return registry.get(model).channels
    return 1 if request.part == "upscaler" else PART_CHANNELS


class _Bench:
    """Runs cases; keeps converted files and reference outputs between them."""

    def __init__(self, task: Task, machine: Device, folder: Path) -> None:
        self._task = task
        self._device = machine
        self._folder = folder
        self._references = References(folder)

    def run(self, request: CaseRequest, known: dict[Case, Result]) -> Result:
        """Return the result of one case, also of one that fails."""
        case = _unseen(request)
        try:
            subject = request.subject or self._find(request)
            artifact = self._artifact(subject, request)
            case = _case(request, _network(subject, artifact, request), subject.channels)
            if case in known:
                return known[case]
            self._check_here(request)
            if case.runtime == "tflm" and not fits_tflm(subject, artifact, case.height, case.width):
                raise _NotHereError("TFLM would need an arena of more than 512 MiB")
            if case.board is not None and self._task.emulate is not None:
                return self._task.emulate(case, *_emulated(subject, artifact, case))
        except _NotHereError as error:
            return _without(case, "not measured", str(error))
        except (UserError, VerificationError) as error:
            return _without(case, "failed", str(error))
        return self._measure(case, subject, artifact, request)

    def _find(self, request: CaseRequest) -> Subject:
        try:
            return subjects.find(request.network, request.part, request.precision)
        except UserError as error:
            raise _NotHereError(f"not shipped: {error}") from None

    def _artifact(self, subject: Subject, request: CaseRequest) -> Path:
        """Return the file for the runtime; converts the .tflite where no .onnx is shipped."""
        suffix = BACKENDS[request.backend].suffix
        path = subject.files.get(suffix)
        if path is not None:
            return path
        if suffix != ".onnx" or self._task.convert is None or ".tflite" not in subject.files:
            raise _NotHereError(
                f"{subject.name} has no {suffix} file, which {request.backend} opens"
            )
        converted = self._folder / f"{subject.name}-{subject.part}-{subject.precision}.onnx"
        if not converted.exists():
            try:
                converted.write_bytes(self._task.convert(read_bytes(subject.files[".tflite"])))
            except VerificationError as error:
                raise UserError(str(error)) from None
        return converted

    def _check_here(self, request: CaseRequest) -> None:
        backend = BACKENDS[request.backend]
        runtime = RUNTIMES[backend.runtime]
        if importlib.util.find_spec(runtime.package) is None:
            raise _NotHereError(
                f"this needs {runtime.package}, which is missing; "
                f"`pip install 'edge-sr[{runtime.extra}]'` installs it"
            )
        if backend.delegate == "cuda" and self._device.gpu is None:
            raise _NotHereError("no CUDA GPU was found")
        if request.threads > self._device.cores:
            raise _NotHereError(
                f"{request.threads} threads are more than the {self._device.cores} cores here"
            )

    def _measure(
        self, case: Case, subject: Subject, artifact: Path, request: CaseRequest
    ) -> Result:
        job = Job(
            artifact=artifact.resolve(),
            runtime=case.runtime,
            delegate=case.delegate,
            threads=case.threads,
            pinned=case.pinned,
            part=subject.part,
            interface=subject.interface_at(case.height, case.width),
            height=case.height,
            width=case.width,
            sampling=self._task.sampling,
            end_to_end=request.end_to_end,
            output=self._folder / "output.npz",
            resized=_is_resized(subject, case),
        )
        started = records.now()
        answer = process.do(job)
        if answer.error is not None:
            return _without(case, "failed", answer.error)
        result = _result(case, started, answer, _file_memory(subject, artifact))
        output = self._references.judge(job, subject, answer.repeats)
        added: list[Flag] = ["emulated"] if self._device.emulated else []
        added += ["wrong"] if output.right is False else []
        return replace(result, output=output, marks=(*added, *result.marks))


def _case(request: CaseRequest, network: Network, channels: int) -> Case:
    backend, file = BACKENDS[request.backend], request.subject
    return Case(
        network=network,
        runtime=backend.runtime,
        delegate=backend.delegate,
        threads=request.threads,
        pinned=request.pinned,
        height=request.height,
        width=request.width,
        channels=channels,
        board=request.board,
        inputs=None if file is None else file.inputs(request.height, request.width),
    )


def _is_resized(subject: Subject, case: Case) -> bool:
    """Return whether a network that does not stream runs at another size than its file's."""
    size, interface = (case.height, case.width), subject.interface
    if isinstance(interface, ArrayInterface):
        return size != subject.own_size
    return interface.halo is None and interface.fixed_size is None


def _emulated(subject: Subject, artifact: Path, case: Case) -> tuple[bytes, np.ndarray]:
    """Return the model that a board runs, and its input."""
    model, interface = read_bytes(artifact), subject.interface_at(case.height, case.width)
    if _is_resized(subject, case):
        model = graph.resize(model, case.height, case.width)
    if isinstance(interface, ArrayInterface):
        values = noise.make(interface)[0][0]
        return model, values[0] if values.ndim == 4 else values
    part, size = case.network.part, (case.height, case.width)
    pixels, _ = images.make(part, *size, interface.scale, case.channels)
    return model, encode(pixels, interface.input)


def _network(subject: Subject, artifact: Path, request: CaseRequest) -> Network:
    height, width = subject.sides(request.height, request.width)
    data = read_bytes(artifact)
    parameters = macs = None
    if ".tflite" in subject.files:
        network = read_graph(subject.files[".tflite"])
        parameters = graph.parameters(network)
        if isinstance(subject.interface, Interface) and subject.is_sized:
            macs = round(graph.macs_per_pixel(network) * height * width)
        elif subject.is_sized:
            macs = graph.macs(read_graph(graph.resize(data, height, width)))
        else:
            macs = graph.macs(network)
    file = File(artifact.name, len(data), hashlib.sha256(data).hexdigest())
    return Network(
        subject.name, subject.part, subject.precision, parameters, macs, file, subject.quality
    )


def _file_memory(subject: Subject, artifact: Path) -> list[Memory]:
    figures = [Memory("file", artifact.stat().st_size, f"the {artifact.suffix} file")]
    if artifact.suffix == ".tflite":
        weights = sum(
            tensor.data.nbytes
            for tensor in read_graph(artifact).constants()
            if tensor.data is not None
        )
        figures.append(Memory("weights", weights, "all constants of the .tflite as it stores them"))
    return figures


def _without(case: Case, status: Status, reason: str) -> Result:
    """Return a result without samples; a runtime's message may have several lines."""
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
