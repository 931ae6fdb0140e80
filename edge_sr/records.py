"""The schema of a measurement: cases, device, software, and the time of every sample.

A record is the JSON of a `Record`. It keeps raw samples in nanoseconds; figures such as
`Timing.percentile` are computed and never stored. A record file is treated as hostile input, and an
edited one is refused.
"""

import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edge_sr import schema
from edge_sr.errors import UserError
from edge_sr.files import replacing

SCHEMA_VERSION = 1
MAX_BYTES = 128 * 2**20
MAX_ITEMS = 1_000_000
MAX_NS = 10**16
"""The longest duration: four months."""

Part = Literal["upscaler", "encoder", "decoder", "network"]
Precision = Literal["int8", "float32"]
RuntimeName = Literal["litert", "onnx", "keras", "engine", "tflm"]
Delegate = Literal["none", "xnnpack", "cuda"]
Status = Literal["measured", "not measured", "failed"]
Scope = Literal["run", "device", "end-to-end"]
Flag = Literal["emulated", "noisy", "throttled", "unstable", "wrong"]
Figure = Literal["psnr difference", "largest difference", "rms difference"]
Kernels = Literal["portable", "avx2", "avx512"]
MemoryKind = Literal[
    "file",
    "weights",
    "runtime arena",
    "peak rss",
    "tflm arena",
    "engine ram",
    "flash",
    "stack",
]


@dataclass(frozen=True)
class File:
    """A file by its plain name; sha256 in hexadecimal."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Score:
    """Quality on a test set, from the network's card: PSNR in dB and SSIM."""

    dataset: str
    psnr: float
    ssim: float


@dataclass(frozen=True)
class Network:
    """A network.

    Attributes:
        name: its id ("tinypssr-x2", "tinycompress-4"), or the file's name.
        part: an upscaler, a part of a codec, or any other network, which is run on noise.
        precision: of its arithmetic.
        parameters: None if the file does not contain the number.
        macs: multiply-accumulates of one run at the case's size; None if unknown.
        artifact: the file, or None.
        quality: empty without a card.
    """

    name: str
    part: Part
    precision: Precision
    parameters: int | None
    macs: int | None
    artifact: File | None
    quality: tuple[Score, ...]


_RUNTIME_NAMES = {("litert", "xnnpack"): "litert", ("litert", "none"): "litert-plain"}
"""LiteRT's own default is XNNPACK."""


@dataclass(frozen=True)
class Case:
    """A network with its runtime and image size.

    A network that is neither an upscaler nor a part of a codec has the size of its first input; one
    that is not an image (1, H, W, C) counts as one row of one pixel.

    Attributes:
        network: to run.
        runtime: one of edge_sr.runtime.
        delegate: "xnnpack" of litert or "cuda" of onnx; "none" for the runtime's own kernels.
        threads: number that the runtime was set to.
        pinned: cores that the process was bound to; empty: all.
        height: of the image, pixels.
        width: of the image, pixels.
        channels: of the image.
        board: the emulated board; None for a run on the device itself.
        inputs: shapes and dtypes of inputs that are not one image; None of an image.
    """

    network: Network
    runtime: RuntimeName
    delegate: Delegate
    threads: int
    pinned: tuple[int, ...]
    height: int
    width: int
    channels: int
    board: str | None
    inputs: str | None = None

    @property
    def size(self) -> str:
        """The image's size, width x height, or the shapes of other inputs."""
        return self.inputs or f"{self.width}x{self.height}"

    @property
    def runtime_name(self) -> str:
        """The runtime and its delegate, by their name on the command line."""
        plain = self.runtime if self.delegate == "none" else f"{self.runtime}-{self.delegate}"
        return _RUNTIME_NAMES.get((self.runtime, self.delegate), plain)

    @property
    def key(self) -> str:
        """A text that identifies the case in all records, whatever its file contains."""
        network = self.network
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        where = f"{self.board} (emulated)" if self.board else threads
        pinned = f" on {','.join(map(str, self.pinned))}" if self.pinned else ""
        return (
            f"{network.name} {network.part} {network.precision} {self.size} "
            f"{self.runtime_name} {where}{pinned}"
        )


@dataclass(frozen=True)
class Cold:
    """The steps of a cold start in a fresh process, in nanoseconds.

    Attributes:
        import_ns: importing the runtime's package.
        load_ns: opening the artifact.
        first_ns: the first run, in which runtimes allocate memory.
    """

    import_ns: int
    load_ns: int
    first_ns: int


@dataclass(frozen=True)
class Timing:
    """All samples of one scope, in nanoseconds and in order.

    Attributes:
        scope: "run" is from an input array to an output array in the host's memory, copies and
            transfers included; "device" the same without transfers to and from a GPU;
            "end-to-end" from 8-bit pixels to 8-bit pixels.
        counts: a sentence that says what the time includes.
        warmup_ns: runs before the samples.
        samples_ns: the measured runs.
        stable: whether the times became stable during warm-up.
    """

    scope: Scope
    counts: str
    warmup_ns: tuple[int, ...]
    samples_ns: tuple[int, ...]
    stable: bool

    def percentile(self, percent: float) -> float:
        """Return a percentile (0..100) of the samples in milliseconds, interpolated."""
        return float(np.percentile(np.array(self.samples_ns), percent)) / 1e6

    @property
    def p50(self) -> float:
        """The median, in milliseconds."""
        return self.percentile(50)

    @property
    def best(self) -> float:
        """The shortest sample, in milliseconds."""
        return min(self.samples_ns) / 1e6

    @property
    def spread(self) -> float:
        """The interquartile range divided by the median; 0 for equal samples."""
        return (self.percentile(75) - self.percentile(25)) / self.p50


@dataclass(frozen=True)
class OperatorTime:
    """The time of all operators of a kind in one run, and their device, both from the runtime."""

    name: str
    device: str
    count: int
    ns: int


@dataclass(frozen=True)
class Memory:
    """A memory size; `counts` is a sentence on what it includes and where it is from."""

    kind: MemoryKind
    bytes: int
    counts: str


_OF_FIGURE: dict[Figure, str] = {
    "psnr difference": "dB PSNR difference from the reference",
    "largest difference": "steps largest difference from the reference",
    "rms difference": "steps RMS difference from the reference",
}


@dataclass(frozen=True)
class Decision:
    """The figure that decides whether an output is right: the one nearest to or beyond its bound.

    Attributes:
        figure: its kind. PSNR is in dB, others in steps: one int8 step, or 1/255 of the range of
            float32.
        value: of the output.
        bound: largest value of a right output.
    """

    figure: Figure
    value: float
    bound: float

    @property
    def kept(self) -> bool:
        """Whether the value is within the bound."""
        return self.value <= self.bound

    @property
    def sentence(self) -> str:
        """The figure and its bound as text."""
        return f"{self.value:.3g} {_OF_FIGURE[self.figure]}, the bound is {self.bound:g}"


@dataclass(frozen=True)
class Output:
    """The output of a case, and whether it is right.

    Attributes:
        sha256: of the output's bytes (NHWC, int8 or little-endian float32), hexadecimal; those of
            several outputs and inputs follow each other.
        bytes: of the output.
        reference: the runtime that it was compared with, or None.
        reference_sha256: of the reference's output.
        max_difference: in steps: one int8 step, or 1/255 of the range of float32.
        differing_share: share of the values that differ, 0..1.
        psnr_difference: difference in dB of the PSNR of both outputs against the original image;
            None without an original.
        right: whether it is within the bounds of edge_sr.runtime.agreement and equal in each run;
            None if it was not compared.
        decision: None without a reference, for an output that is not finite, and in old records.
        top_agreement: of a network that gives vectors: the share of inputs, 0..1, on which the
            largest value is at the same place as the reference's; None of any other.
    """

    sha256: str
    bytes: int
    reference: str | None
    reference_sha256: str | None
    max_difference: float | None
    differing_share: float | None
    psnr_difference: float | None
    right: bool | None
    decision: Decision | None = None
    top_agreement: float | None = None

    @property
    def problem(self) -> str:
        """Why the output is wrong."""
        if self.decision is not None and not self.decision.kept:
            return self.decision.sentence
        if self.decision is None and self.reference is not None:
            return "some values are not finite"
        return "the output differs between runs"


@dataclass(frozen=True)
class Instructions:
    """Instructions of an emulated board to open the network and for a frame; not cycles."""

    core: str
    open: int
    frame: int


@dataclass(frozen=True)
class Conditions:
    """The state of the device at one moment; None or empty where unknown.

    Attributes:
        frequencies_mhz: of each core.
        temperature_c: of the hottest zone.
        throttling: flags of a Raspberry Pi, such as "under-voltage now".
        load: load average of a minute.
        busy_ns: busy time of all cores together since the system started, with this process.
    """

    frequencies_mhz: tuple[float, ...]
    temperature_c: float | None
    throttling: tuple[str, ...]
    load: float | None
    busy_ns: int | None


@dataclass(frozen=True)
class Result:
    """The result of a case.

    Attributes:
        case: that was run.
        status: "not measured" if a GPU, a package or a network is missing; "failed" if the
            network was refused or the process ended early.
        reason: one sentence; None if measured.
        started: UTC, ISO 8601.
        cold: None unless measured on the device itself.
        timings: one for each measured scope.
        operators: of a profiled run, which is not a sample; empty if the runtime reports none.
        memory: figures of several kinds.
        output: None unless measured.
        instructions: of an emulated board, else None.
        before: conditions before the first sample.
        after: conditions after the last one.
        other_load: cores that other processes kept busy meanwhile; None if unknown.
        marks: flags: "emulated"; "noisy": other processes or a wide spread; "throttled";
            "unstable": the warm-up did not become stable; "wrong": the output is out of bounds.
        kernels: that the engine used on the host; None for other runtimes and in old records.
    """

    case: Case
    status: Status
    reason: str | None
    started: str
    cold: Cold | None
    timings: tuple[Timing, ...]
    operators: tuple[OperatorTime, ...]
    memory: tuple[Memory, ...]
    output: Output | None
    instructions: Instructions | None
    before: Conditions | None
    after: Conditions | None
    other_load: float | None
    marks: tuple[Flag, ...]
    kernels: Kernels | None = None

    def timing(self, scope: Scope) -> Timing | None:
        """Return the timing of a scope, or None."""
        return next((timing for timing in self.timings if timing.scope == scope), None)


@dataclass(frozen=True)
class Device:
    """The constant facts of the device; None where unknown.

    Attributes:
        name: of a board ("Raspberry Pi 4 Model B Rev 1.4"), from its device tree.
        cpu: name of the processor.
        architecture: such as "x86_64".
        cores: that this process may use.
        governor: of the frequency, such as "performance".
        ram_bytes: of the system.
        gpu: its name and driver version.
        emulated: the emulator of the device, or None; emulated times are not those of a board.
    """

    name: str | None
    cpu: str
    architecture: str
    cores: int
    governor: str | None
    ram_bytes: int | None
    gpu: str | None
    emulated: str | None


@dataclass(frozen=True)
class Software:
    """Versions of the software.

    Attributes:
        edge_sr: version of edge-sr.
        git_revision: of its sources, with "-dirty" after changes; None outside a git repository.
        os: the operating system.
        python: version of Python.
        packages: versions of the runtimes by distribution name.
    """

    edge_sr: str
    git_revision: str | None
    os: str
    python: str
    packages: dict[str, str]


@dataclass(frozen=True)
class Sampling:
    """How samples are taken.

    Warm-up takes at least `warmup_s`, until the times are stable, and at most about four times as
    long. Then come at least `samples` and `seconds`, and at most `max_samples` or `max_seconds`.
    """

    warmup_s: float
    samples: int
    seconds: float
    max_samples: int
    max_seconds: float


@dataclass(frozen=True)
class Record:
    """A measurement.

    Attributes:
        suite: its name; None where the cases are not those of a suite.
        started: UTC, ISO 8601.
        complete: whether all cases have a result.
        planned: number of cases.
        device: that ran the cases.
        software: that ran on it.
        sampling: of each case.
        results: in the order of the cases.
    """

    suite: str | None
    started: str
    complete: bool
    planned: int
    device: Device
    software: Software
    sampling: Sampling
    results: tuple[Result, ...]


@dataclass(frozen=True)
class _Sealed:
    """The file: a record, and the SHA-256 of its canonical JSON."""

    schema_version: int
    sha256: str
    record: Record


def now() -> str:
    """The time, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def dumps(record: Record) -> str:
    """Return the record as JSON; equal records give equal text."""
    return schema.dumps(_Sealed(SCHEMA_VERSION, _seal(dataclasses.asdict(record)), record))


def write(path: Path, record: Record) -> None:
    """Write a record atomically.

    Raises:
        UserError: the file cannot be written, for example because the disk is full.
    """
    with replacing(path) as temporary:
        temporary.write_text(dumps(record), encoding="utf-8")


def read(path: Path) -> Record:
    """Read and check a record.

    Raises:
        UserError: it cannot be read, is not a record of this schema version, was edited, or is
            inconsistent.
    """
    return schema.read(path, MAX_BYTES, loads)


def loads(data: bytes) -> Record:
    """Parse and check the bytes of a record; as `read`."""
    values = schema.parse(data, MAX_BYTES, "the record of a measurement")
    schema.check_version(values, SCHEMA_VERSION)
    sealed: _Sealed = schema.decode(values, _Sealed, "record", MAX_ITEMS)
    if sealed.sha256 != _seal(values["record"]):
        raise UserError(
            "its checksum does not match its content: it was edited or damaged; measure again"
        )
    _check(sealed.record)
    return _with_ids(sealed.record)


def _with_ids(record: Record) -> Record:
    """Return the record with networks named by their ids; older records have "tinypssr x2"."""
    results = tuple(
        dataclasses.replace(
            result,
            case=dataclasses.replace(
                result.case,
                network=dataclasses.replace(
                    result.case.network, name=_id_of(result.case.network.name)
                ),
            ),
        )
        for result in record.results
    )
    return dataclasses.replace(record, results=results)


def _id_of(name: str) -> str:
    return re.sub(r"^([a-z0-9-]+) x(\d)$", r"\1-x\2", name)


def _seal(values: dict[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _check(record: Record) -> None:
    """Check what types cannot express."""
    if record.complete != (len(record.results) == record.planned):
        raise UserError("the record's number of results contradicts its completeness")
    for index, result in enumerate(record.results):
        problem = _problem(result)
        if problem:
            raise UserError(f"result {index + 1} of the record {problem}")


def _problem(result: Result) -> str | None:
    """Return what is wrong with a result, or None."""
    case = result.case
    if min(case.height, case.width, case.channels, case.threads) < 1:
        return "has a size or a number of threads that is not positive"
    if (result.status == "measured") != (result.reason is None):
        return "has a reason although it was measured, or no reason although it was not"
    if result.status == "measured" and not result.timings and result.instructions is None:
        return "was measured but has no samples"
    if any(not 0 < ns <= MAX_NS for timing in result.timings for ns in _durations(timing)):
        return "has a sample that is not a duration"
    if any(not timing.samples_ns for timing in result.timings):
        return "has a timing without samples"
    if any(memory.bytes < 0 for memory in result.memory):
        return "has a negative size"
    if not all(re.fullmatch("[0-9a-f]{64}", digest) for digest in _digests(result)):
        return "has an invalid sha256"
    if len({timing.scope for timing in result.timings}) != len(result.timings):
        return "has two timings of one scope"
    return None


def _durations(timing: Timing) -> tuple[int, ...]:
    return timing.warmup_ns + timing.samples_ns


def _digests(result: Result) -> list[str]:
    artifact, output = result.case.network.artifact, result.output
    digests = [artifact.sha256] if artifact else []
    if output:
        digests += [digest for digest in (output.sha256, output.reference_sha256) if digest]
    return digests
