"""The schema of a measurement: what was run, where, how long every sample took.

A record is the JSON of a `Record`. Raw samples are kept, in nanoseconds; what reports say of them
(`Timing.percentile`) is computed, never stored. A record that is read is treated as hostile input,
and one that was changed by hand is refused.
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
"""Of a duration: four months."""

Part = Literal["upscaler", "encoder", "decoder"]
Precision = Literal["int8", "float32"]
RuntimeName = Literal["litert", "onnx", "keras", "engine", "tflm"]
Delegate = Literal["none", "xnnpack", "cuda"]
Status = Literal["measured", "not measured", "failed"]
Scope = Literal["run", "device", "end-to-end"]
Mark = Literal["emulated", "noisy", "throttled", "unstable", "wrong"]
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
    """What is run.

    Attributes:
        name: for people: "tinypssr x2", "tinycompress-4", or the file's name.
        part: an upscaler, or a part of a codec.
        precision: of its arithmetic.
        parameters: None where the file does not tell.
        macs: multiply-accumulates of one run at the case's size; None where the file does not tell.
        artifact: the file; None where there is none.
        quality: empty where no card is shipped.
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
    """One row: a network, how it is run, on what size.

    Attributes:
        network: see there.
        runtime: one of edge_sr.runtime.
        delegate: of the runtime: "xnnpack" of litert, "cuda" of onnx; else "none", its own kernels.
        threads: that the runtime was told to use.
        pinned: the cores that the process was bound to; empty if to none.
        height: of the input, pixels.
        width: of the input, pixels.
        channels: of the input.
        board: that was emulated; None where the runtime ran on the device itself.
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

    @property
    def runtime_name(self) -> str:
        """The runtime and its delegate, as options name them."""
        plain = self.runtime if self.delegate == "none" else f"{self.runtime}-{self.delegate}"
        return _RUNTIME_NAMES.get((self.runtime, self.delegate), plain)

    @property
    def key(self) -> str:
        """A text that is the same for the same case in other records, whatever its file holds."""
        network = self.network
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        where = f"{self.board} (emulated)" if self.board else threads
        pinned = f" on {','.join(map(str, self.pinned))}" if self.pinned else ""
        return (
            f"{network.name} {network.part} {network.precision} {self.width}x{self.height} "
            f"{self.runtime_name} {where}{pinned}"
        )


@dataclass(frozen=True)
class Cold:
    """The start of a fresh process, in nanoseconds, each step after the one before.

    Attributes:
        import_ns: importing the runtime's package.
        load_ns: opening the artifact.
        first_ns: the first run, where runtimes allocate for the size.
    """

    import_ns: int
    load_ns: int
    first_ns: int


@dataclass(frozen=True)
class Timing:
    """Samples of one thing, all of them, in nanoseconds and in order.

    Attributes:
        scope: "run" is from an input array to an output array in the host's memory, copies and
            transfers included; "device" the same without transfers to and from a GPU;
            "end-to-end" from 8-bit pixels to 8-bit pixels.
        counts: a sentence that says what is inside.
        warmup_ns: runs before the samples.
        samples_ns: runs that count.
        stable: whether the warm-up ended because runs took alike, not because its time was over.
    """

    scope: Scope
    counts: str
    warmup_ns: tuple[int, ...]
    samples_ns: tuple[int, ...]
    stable: bool

    def percentile(self, percent: float) -> float:
        """Milliseconds that `percent` (0..100) of the samples take at most, interpolated."""
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
        """The middle half's width over the median: 0 for samples that are all alike."""
        return (self.percentile(75) - self.percentile(25)) / self.p50


@dataclass(frozen=True)
class OperatorTime:
    """Nanoseconds that operators of a kind took in one run, as the runtime says; `device` it ran
    on, as the runtime calls it.
    """

    name: str
    device: str
    count: int
    ns: int


@dataclass(frozen=True)
class Memory:
    """Bytes of something; `counts` is a sentence that says of what, and who says so."""

    kind: MemoryKind
    bytes: int
    counts: str


_OF_FIGURE: dict[Figure, str] = {
    "psnr difference": "dB of PSNR away from the reference",
    "largest difference": "steps away from the reference at most",
    "rms difference": "steps (root mean square) away from the reference",
}


@dataclass(frozen=True)
class Decision:
    """The figure that is closest to its bound, or farthest beyond, and so decides.

    Attributes:
        figure: in dB of PSNR; else in steps, one int8 step, or 1/255 of the range of float32.
        value: of the output.
        bound: up to which the output is right.
    """

    figure: Figure
    value: float
    bound: float

    @property
    def kept(self) -> bool:
        """Whether it is within the bound."""
        return self.value <= self.bound

    @property
    def sentence(self) -> str:
        """For people."""
        return f"{self.value:.3g} {_OF_FIGURE[self.figure]}, {self.bound:g} is the bound"


@dataclass(frozen=True)
class Output:
    """What came out, and whether it is right.

    Attributes:
        sha256: of the output's bytes (NHWC, int8 or little-endian float32), hexadecimal.
        bytes: of the output.
        reference: the runtime that it was compared with; None if there is none.
        reference_sha256: of the reference's output.
        max_difference: in steps: one int8 step, or 1/255 of the range of float32.
        differing_share: of the values, 0..1.
        psnr_difference: dB between the two against the picture that the output should be; None
            where there is no such picture.
        right: whether it is within the bounds of edge_sr.runtime.agreement, and the same in each
            run.
        decision: None without a reference, of an output that is not finite, and in records of
            edge-sr before it was kept.
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

    @property
    def problem(self) -> str:
        """What is wrong with one that is not right."""
        if self.decision is not None and not self.decision.kept:
            return self.decision.sentence
        if self.decision is None and self.reference is not None:
            return "not a finite number everywhere"
        return "not the same in each run"


@dataclass(frozen=True)
class Instructions:
    """Executed by an emulated board, to open the network and for one frame; they are not cycles."""

    core: str
    open: int
    frame: int


@dataclass(frozen=True)
class Conditions:
    """The device at one moment; what it does not tell is None or empty.

    Attributes:
        frequencies_mhz: of each core.
        temperature_c: the hottest zone's.
        throttling: what holds a Raspberry Pi back, such as "under-voltage now".
        load: processes that wanted to run, mean of a minute.
        busy_ns: nanoseconds that all cores together worked since the system started, this process
            included.
    """

    frequencies_mhz: tuple[float, ...]
    temperature_c: float | None
    throttling: tuple[str, ...]
    load: float | None
    busy_ns: int | None


@dataclass(frozen=True)
class Result:
    """What became of a case.

    Attributes:
        case: what was to be run.
        status: "not measured" is for what is not there (a GPU, a package, a network that does not
            ship); "failed" for what was refused or ended early.
        reason: one sentence; None if measured.
        started: UTC, ISO 8601.
        cold: None unless measured on the device itself.
        timings: one for each scope that was measured.
        operators: of one run with profiling on, which is no sample; empty where the runtime gives
            none.
        memory: see there.
        output: None unless measured.
        instructions: of an emulated board, else None.
        before: conditions before the first sample.
        after: conditions after the last one.
        other_load: cores that other processes kept busy meanwhile; None where not known.
        marks: "emulated"; "noisy": other processes or a wide spread; "throttled"; "unstable": the
            warm-up did not settle; "wrong": the output is beyond the bounds.
        kernels: the set that the engine ran on a desk; None for all else, and in records of edge-sr
            before it was kept.
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
    marks: tuple[Mark, ...]
    kernels: Kernels | None = None

    def timing(self, scope: Scope) -> Timing | None:
        """The samples of one scope, if it was measured."""
        return next((timing for timing in self.timings if timing.scope == scope), None)


@dataclass(frozen=True)
class Device:
    """What does not change while cases run; what is not known is None.

    Attributes:
        name: the board's as it calls itself ("Raspberry Pi 4 Model B Rev 1.4"), or None.
        cpu: the model's name.
        architecture: such as "x86_64".
        cores: that this process may use.
        governor: of the frequency, such as "performance".
        ram_bytes: of the system.
        gpu: as its driver calls it.
        emulated: what emulates the device, if anything does; its times are not a board's.
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
    """Versions. `git_revision` is that of edge-sr's sources, "-dirty" if they were changed; None
    where they are not in a git repository. `packages` are the runtimes' by distribution name.
    """

    edge_sr: str
    git_revision: str | None
    os: str
    python: str
    packages: dict[str, str]


@dataclass(frozen=True)
class Sampling:
    """How samples were taken: warm-up for `warmup_s`, and on until runs took alike, but not for
    more than four times as long; then at least `samples` and `seconds`, but no more than
    `max_samples` or `max_seconds`.
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
        suite: its name; None where cases were named one by one.
        started: UTC, ISO 8601.
        complete: False while cases are missing: it was interrupted.
        planned: cases that there were to be.
        device: see there.
        software: see there.
        sampling: see there.
        results: in the order in which they were made.
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
    """The record as JSON, the same text for equal records."""
    return schema.dumps(_Sealed(SCHEMA_VERSION, _seal(dataclasses.asdict(record)), record))


def write(path: Path, record: Record) -> None:
    """Write a record, whole or not at all.

    Raises:
        UserError: the system refuses, perhaps because the disk is full.
    """
    with replacing(path) as temporary:
        temporary.write_text(dumps(record), encoding="utf-8")


def read(path: Path) -> Record:
    """Read and check a record.

    Raises:
        UserError: it cannot be read, is not a record of this schema version, was edited, or does
            not hold what it should.
    """
    return schema.read(path, MAX_BYTES, loads)


def loads(data: bytes) -> Record:
    """Parse and check the bytes of a record; as `read`."""
    values = schema.parse(data, MAX_BYTES, "the record of a measurement")
    schema.check_version(values, SCHEMA_VERSION)
    sealed: _Sealed = schema.decode(values, _Sealed, "record", MAX_ITEMS)
    if sealed.sha256 != _seal(values["record"]):
        raise UserError(
            "its checksum does not fit its content: it was edited or damaged; measure again"
        )
    _check(sealed.record)
    return sealed.record


def _seal(values: dict[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _check(record: Record) -> None:
    """What types cannot say."""
    if record.complete != (len(record.results) == record.planned):
        raise UserError("the record does not have as many results as it says")
    for index, result in enumerate(record.results):
        problem = _problem(result)
        if problem:
            raise UserError(f"result {index + 1} of the record {problem}")


def _problem(result: Result) -> str | None:
    """What is wrong with a result, or None."""
    case = result.case
    if min(case.height, case.width, case.channels, case.threads) < 1:
        return "has a size or a number of threads that is not positive"
    if (result.status == "measured") != (result.reason is None):
        return "gives a reason for having been measured, or none for not having been"
    if result.status == "measured" and not result.timings and result.instructions is None:
        return "says measured and has no samples"
    if any(not 0 < ns <= MAX_NS for timing in result.timings for ns in _durations(timing)):
        return "has a sample that is no duration"
    if any(not timing.samples_ns for timing in result.timings):
        return "has a timing without samples"
    if any(memory.bytes < 0 for memory in result.memory):
        return "has a negative size"
    if not all(re.fullmatch("[0-9a-f]{64}", digest) for digest in _digests(result)):
        return "has a sha256 that is none"
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
