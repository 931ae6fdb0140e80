"""What a job runs: an image through an upscaler or a codec, or noise through any other network."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.measuring import images, noise
from benchmarks.measuring.job import Job
from benchmarks.measuring.native import open_arrays, open_session
from edge_sr.runtime.arrays import ArrayInterface, Arrays
from edge_sr.runtime.pixels import decode, encode
from edge_sr.runtime.session import Interface, Session

Opened = Session | Arrays


class Load(ABC):
    """The input of a job and how it is run."""

    @abstractmethod
    def open(self, profile: Path | None = None) -> Opened:
        """Open the artifact; ONNX Runtime writes the times of operators to `profile`."""

    @abstractmethod
    def run(self, opened: Opened) -> list[np.ndarray]:
        """Run the first input, which is what is timed."""

    @abstractmethod
    def outputs(self, opened: Opened) -> list[np.ndarray]:
        """Run all inputs; the outputs of the first one come first."""


class ImageLoad(Load):
    """An image through an upscaler or a part of a codec."""

    def __init__(self, job: Job, interface: Interface) -> None:
        self._job = job
        pixels, _ = images.make(
            job.part, job.height, job.width, interface.scale, interface.channels
        )
        self.pixels = pixels
        self.image = encode(pixels, interface.input)[np.newaxis]

    def open(self, profile: Path | None = None) -> Session:
        """Open the artifact, as `Load.open`."""
        return open_session(self._job, profile)

    def run(self, opened: Opened) -> list[np.ndarray]:
        """Run the image, as `Load.run`."""
        assert isinstance(opened, Session)
        return [opened.run(self.image)]

    def outputs(self, opened: Opened) -> list[np.ndarray]:
        """Run the image, as `Load.outputs`."""
        return self.run(opened)

    def end_to_end(self, session: Session) -> Callable[[], object]:
        """Return a function from 8-bit pixels to 8-bit pixels."""

        def work() -> object:
            image = encode(self.pixels, session.input)[np.newaxis]
            return decode(session.run(image)[0], session.output)

        return work


class NoiseLoad(Load):
    """Noise through a network of any kind."""

    def __init__(self, job: Job, interface: ArrayInterface) -> None:
        self._job = job
        self.inputs = noise.make(interface)

    def open(self, profile: Path | None = None) -> Arrays:
        """Open the artifact, as `Load.open`."""
        return open_arrays(self._job, profile)

    def run(self, opened: Opened) -> list[np.ndarray]:
        """Run the first input, as `Load.run`."""
        assert isinstance(opened, Arrays)
        return opened.run(self.inputs[0])

    def outputs(self, opened: Opened) -> list[np.ndarray]:
        """Run all inputs, as `Load.outputs`."""
        assert isinstance(opened, Arrays)
        return [output for values in self.inputs for output in opened.run(values)]


def load_of(job: Job) -> ImageLoad | NoiseLoad:
    """Return what a job runs."""
    if isinstance(job.interface, ArrayInterface):
        return NoiseLoad(job, job.interface)
    return ImageLoad(job, job.interface)
