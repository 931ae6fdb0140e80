"""The int8 engine: the C code of the microcontrollers.

Networks that stream run on frames of any size, with threads on column strips; the others are
planned for the size of each image, and use one thread.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np

from edge_sr import graph
from edge_sr.engine.binding import Engine
from edge_sr.engine.plan import Plan, make_plan
from edge_sr.engine.planning import plan_network
from edge_sr.errors import UserError
from edge_sr.records import Kernels
from edge_sr.runtime.arrays import Arrays, ArraySpec, read_arrays
from edge_sr.runtime.frame import FrameSession, ImageFrameSession
from edge_sr.runtime.obstacles import check_engine
from edge_sr.runtime.session import Interface, Session


def open_engine(
    model: bytes, interface: Interface, threads: int = 1
) -> "EngineSession | ImageFrameSession":
    """Open an int8 .tflite of images in the engine.

    Args:
        model: the bytes of the .tflite.
        interface: of the model.
        threads: for column strips of a network that streams.

    Raises:
        UserError: the engine does not run the network; the text names all obstacles.
    """
    network = graph.read_graph(model)
    try:
        plan = make_plan(network)
    except UserError:
        check_engine(network)
        return ImageFrameSession(model, interface)
    return EngineSession(plan, interface, threads)


class EngineSession(Session):
    """An int8 .tflite that streams through the engine, bit-identical to TensorFlow Lite Micro.

    Input and output may be uint8.
    """

    runtime = "engine"

    def __init__(self, plan: Plan, interface: Interface, threads: int = 1) -> None:
        super().__init__(interface)
        self.plan = plan
        self._threads = threads
        self._engines: list[Engine] = []
        self._pool = ThreadPoolExecutor(threads)  # starts its threads when they are needed

    @property
    def arenas(self) -> tuple[int, ...]:
        """The RAM in bytes of each strip's engine; known after a run."""
        return tuple(engine.arena_bytes for engine in self._engines)

    @property
    def kernels(self) -> Kernels | None:
        """The kernels that run the network; known after a run."""
        return self._engines[0].kernels if self._engines else None

    def _run(self, image: np.ndarray) -> np.ndarray:
        width = image.shape[2]
        out = np.empty(self.out_shape(image.shape), self._out_dtype)
        strip = self._strip_width(width)
        if not self._engines or self._engines[0].info.in_width != strip:
            self._engines = [Engine(self.plan.blob, strip)]
        strips = self._engines[0].strips(width)
        while len(self._engines) < strips:
            self._engines.append(Engine(self.plan.blob, strip))
        if strips == 1:
            self._engines[0].run_strip(image[0], out[0], 0)
            return out

        def run(index: int) -> None:
            self._engines[index].run_strip(image[0], out[0], index)

        others = [self._pool.submit(run, index) for index in range(1, strips)]
        try:
            run(0)
        finally:
            wait(others)
        for other in others:
            other.result()
        return out

    def _strip_width(self, width: int) -> int:
        """The width of one strip per thread; that of the frame if it is too narrow to be cut."""
        step = self.plan.pixels_per_unit
        margin = -(-self.plan.halo // step) * step
        share = -(-(width - 2 * margin) // self._threads)
        strip = -(-share // step) * step + 2 * margin
        return strip if share > margin and strip < width else width


class EngineArrays(Arrays):
    """An int8 .tflite of any kind in the engine, at its own size.

    Attributes:
        plan: that runs.
        arena_bytes: the RAM of the engine.
        kernels: that run the network.
    """

    runtime = "engine"

    def __init__(self, model: bytes) -> None:
        network = graph.read_graph(model)
        check_engine(network)
        self.plan = plan_network(network)
        (self._input,) = read_arrays(model).inputs
        output = network.tensors[network.outputs[0]]
        self._out_shape, self._out_dtype = output.shape, np.dtype(output.dtype)
        self._opened: Engine | FrameSession = (
            Engine(self.plan.blob, network.input.shape[2])
            if isinstance(self.plan, Plan)
            else FrameSession(model)
        )
        self.arena_bytes, self.kernels = self._opened.arena_bytes, self._opened.kernels

    def run(self, values: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run the network, as `Arrays.run`."""
        if isinstance(self._opened, FrameSession):
            return list(self._opened.run_all(values[0]))
        given = ArraySpec(values[0].dtype.name, values[0].shape)
        if given != self._input:
            raise UserError(f"the model takes {self._input}, not {given}")
        out = np.empty(self._out_shape, self._out_dtype)
        self._opened.run_strip(np.ascontiguousarray(values[0][0]), out[0], 0)
        return [out]
