"""Gradients from several devices or machines, by tf.distribute.

Keras 3's own `fit` does not run under MultiWorkerMirroredStrategy (keras-team/keras, issue 20585:
it takes a value of one replica for a tensor). So the strategy only computes the gradient on every
replica and sums over all of them. Variables and optimizer are plain ones, one set per process.
Every process draws the same patches by the same seed, each replica takes its part of the batch, and
the summed gradient updates all sets alike. A recipe's `batch` is that of all replicas together.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_sr.errors import UserError, require
from edge_sr.quiet import quiet_native

STRATEGIES = ("mirrored", "multiworker")

Step = Callable[[np.ndarray, np.ndarray], float]
"""Trains on one batch, inputs and targets in [0, 1]; returns the mean loss."""


@dataclass(frozen=True)
class Share:
    """This process's part in a training.

    Attributes:
        strategy: of tf.distribute.
        worker: number of this process.
        workers: number of processes.
    """

    strategy: Any
    worker: int
    workers: int

    @property
    def chief(self) -> bool:
        """Whether this process writes the run's files."""
        return self.worker == 0

    @property
    def replicas(self) -> int:
        """The number of parts of a batch."""
        return int(self.strategy.num_replicas_in_sync)

    def check_batch(self, batch: int) -> None:
        """Refuse a batch that cannot be split into equal parts.

        Raises:
            UserError: the number of replicas does not divide the batch.
        """
        if batch % self.replicas:
            raise UserError(
                f"a batch of {batch} cannot be split among {self.replicas} replicas; set batch in "
                f"the recipe to a multiple of {self.replicas}"
            )

    def agree(self, number: int) -> bool:
        """Whether every process has the same number."""
        import tensorflow as tf

        @tf.function
        def sums() -> Any:
            numbers = self.strategy.run(lambda: tf.constant([number, number**2], tf.int64))
            return self.strategy.reduce("SUM", numbers, axis=None)

        total, squares = sums().numpy().tolist()
        return bool(total == number * self.replicas and squares == number**2 * self.replicas)

    def step(self, model: Any, loss: Callable[[Any, Any], Any], optimizer: Any) -> Step:
        """The function that trains a model on a batch; all processes must call it alike."""
        import tensorflow as tf

        variables = model.trainable_variables
        raw = [variable.value for variable in variables]

        def gradient(low: Any, high: Any) -> list[Any]:
            with tf.GradientTape() as tape:
                # Parts are equal: the mean of their means is the batch's mean.
                mean = loss(high, model(low, training=True)) / self.replicas
            parts = [mean, *tape.gradient(mean, raw)]
            return list(tf.distribute.get_replica_context().all_reduce("SUM", parts))

        @tf.function
        def train(low: Any, high: Any) -> Any:
            reduced = self.strategy.run(gradient, (low, high))
            mean, *gradients = [self.strategy.experimental_local_results(r)[0] for r in reduced]
            optimizer.apply(gradients, variables)
            return mean

        return lambda low, high: float(train(self._part(low), self._part(high)))

    def _part(self, batch: np.ndarray) -> Any:
        """The parts of a batch for this process's replicas."""
        import tensorflow as tf

        parts = np.split(batch, self.replicas)
        first = self.worker * self.replicas // self.workers

        def part(context: Any) -> Any:
            number = context.replica_id_in_sync_group % (self.replicas // self.workers)
            return tf.constant(parts[first + number])

        return self.strategy.experimental_distribute_values_from_function(part)


def share(name: str) -> Share:
    """This process's part under a strategy. Call it before anything else of TensorFlow.

    Args:
        name: "mirrored": all devices of this machine; "multiworker": all machines in TF_CONFIG.

    Raises:
        UserError: the strategy is unknown, the backend is not TensorFlow, or TF_CONFIG is missing
            or wrong.
    """
    if name not in STRATEGIES:
        raise UserError(f"unknown strategy {name!r}; available: {', '.join(STRATEGIES)}")
    if require("keras", "train").backend.backend() != "tensorflow":
        raise UserError("--strategy needs TensorFlow; set KERAS_BACKEND=tensorflow")
    import tensorflow as tf

    worker, workers = _worker() if name == "multiworker" else (0, 1)
    with quiet_native():
        if name == "mirrored":
            return Share(tf.distribute.MirroredStrategy(_devices(tf)), 0, 1)
        return Share(tf.distribute.MultiWorkerMirroredStrategy(), worker, workers)


def _devices(tf: Any) -> list[str]:
    """All GPUs; without any, all CPU devices (one, unless TensorFlow is configured otherwise)."""
    kinds = [tf.config.list_logical_devices(kind) for kind in ("GPU", "CPU")]
    return [device.name for device in kinds[0] or kinds[1]]


def _worker() -> tuple[int, int]:
    """This worker's index and the number of workers, from TF_CONFIG.

    Raises:
        UserError: TF_CONFIG is missing or wrong.
    """
    text = os.environ.get("TF_CONFIG")
    example = (
        '{"cluster": {"worker": ["host-a:2222", "host-b:2222"]}, '
        '"task": {"type": "worker", "index": 0}}'
    )
    if not text:
        raise UserError(f"multiworker needs TF_CONFIG to name the workers, for example {example}")
    try:
        values = json.loads(text)
        workers, task = values["cluster"]["worker"], values["task"]
        kind, index = task["type"], task["index"]
        known = set(values["cluster"]) == {"worker"} and kind == "worker"
        if not known or not isinstance(workers, list) or index not in range(len(workers)):
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UserError(f"TF_CONFIG is wrong; multiworker needs, for example, {example}") from None
    return int(index), len(workers)
