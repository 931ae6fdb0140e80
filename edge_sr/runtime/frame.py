"""Runs int8 networks in the engine at one size: classifiers, strides, networks of others."""

import numpy as np

from edge_sr import graph
from edge_sr.engine.binding import Engine
from edge_sr.engine.frame_plan import FramePlan, make_frame_plan
from edge_sr.errors import UserError
from edge_sr.records import Kernels
from edge_sr.runtime.session import Interface, Session


class FrameSession:
    """An int8 .tflite in the engine at its own input size, bit-identical to TFLM.

    Attributes:
        plan: the plan that runs.
        in_shape: shape of the input array.
        out_shape: shape of the first output array, as the file declares it.
        out_shapes: the same of each output.
        in_dtype: type of the input array, int8 or uint8.
        out_dtype: type of the first output array.
        out_dtypes: the same of each output.
        kernels: the kernels that run the network.
    """

    def __init__(self, model: bytes) -> None:
        """Plan the network.

        Args:
            model: the bytes of the .tflite.

        Raises:
            UserError: the file is damaged, or the engine does not run it.
        """
        network = graph.fold(graph.read_graph(model))
        self.plan: FramePlan = make_frame_plan(network)
        outputs = [network.tensors[index] for index in network.outputs]
        self.in_shape, self.in_dtype = network.input.shape, np.dtype(network.input.dtype)
        self.out_shapes = tuple(output.shape for output in outputs)
        self.out_dtypes = tuple(np.dtype(output.dtype) for output in outputs)
        self.out_shape, self.out_dtype = self.out_shapes[0], self.out_dtypes[0]
        self._engine = Engine(self.plan.blob, self.plan.in_shape[1])
        self.kernels: Kernels = self._engine.kernels

    @property
    def arena_bytes(self) -> int:
        """The RAM of the engine in bytes."""
        return self._engine.arena_bytes

    def run(self, values: np.ndarray) -> np.ndarray | tuple[np.ndarray, ...]:
        """Run the network.

        Args:
            values: of shape `in_shape` and type `in_dtype`.

        Returns:
            The output, of shape `out_shape` and type `out_dtype`; of several, a tuple of them.

        Raises:
            UserError: the array has another shape or dtype.
        """
        outs = self.run_all(values)
        return outs[0] if len(outs) == 1 else outs

    def run_all(self, values: np.ndarray) -> tuple[np.ndarray, ...]:
        """Run the network as `run` does, and return a tuple even of one output.

        Args:
            values: of shape `in_shape` and type `in_dtype`.

        Returns:
            Every output, of `out_shapes` and `out_dtypes`.

        Raises:
            UserError: the array has another shape or dtype.
        """
        if values.shape != self.in_shape or values.dtype != self.in_dtype:
            raise UserError(
                f"the model takes {self.in_dtype} of shape {self.in_shape}, not {values.dtype} of "
                f"shape {values.shape}"
            )
        frame = np.ascontiguousarray(values).reshape(self.plan.in_shape)
        outs = [
            np.empty(shape, dtype)
            for shape, dtype in zip(self.plan.out_shapes, self.out_dtypes, strict=True)
        ]
        self._engine.run_frame(frame, outs)
        return tuple(out.reshape(shape) for out, shape in zip(outs, self.out_shapes, strict=True))


class ImageFrameSession(Session):
    """An int8 .tflite of images in the engine, planned anew for each image size.

    Attributes:
        frame: the network at the size of the last image.
    """

    runtime = "engine"

    def __init__(self, model: bytes, interface: Interface) -> None:
        super().__init__(interface)
        self._model = model
        self.frame = FrameSession(model)

    def _run(self, image: np.ndarray) -> np.ndarray:
        if image.shape != self.frame.in_shape:
            self.frame = FrameSession(graph.resize(self._model, *image.shape[1:3]))
        (out,) = self.frame.run_all(image)
        return out
