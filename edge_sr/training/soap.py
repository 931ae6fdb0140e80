"""Adam in the eigenbasis of the gradients' covariance, for either Keras namespace.

SOAP (Vyas et al. 2024, "SOAP: Improving and Stabilizing Shampoo using Adam") runs Adam in the
eigenbasis of Shampoo's preconditioner, which it approximates by Kronecker factors of each layer
because large networks leave no choice. A tiny network is small enough for the whole covariance:
variables are packed, in order, into blocks of at most `LARGEST` values, and each block has a full
matrix, across layers. A kernel that is larger still has one for each of its filters; what else is
larger is trained by plain Adam.

A step only notes its gradient; `refresh`, to be called every `ROWS` steps, takes the notes into the
covariance by one matrix product and renews its eigenvectors.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from scipy.linalg import eigh

LARGEST = 1400
"""Values of a block, at most: its basis takes 8 MB of float32, and each step reads it twice."""

ROWS = 200
"""Steps whose gradients are noted between two calls of `refresh`, at most."""

KERNEL_RANK = 4
"""Kernels (k,k,Cin,Cout) decay; biases and slopes do not."""

_EPSILON = 1e-8


@dataclass(frozen=True)
class Block:
    """Pieces of variables that share a covariance, and their state.

    Attributes:
        pieces: positions of its pieces in the order in which the optimizer was built.
        sizes: how many values each of them has, n together.
        momentum: average gradient (n).
        velocity: average squared gradient (n) in the eigenbasis.
        covariance: average outer product (n,n) of the gradient, None for plain Adam.
        basis: its eigenvectors (n,n) as columns.
        recent: the gradients (ROWS,n) since the last `refresh`.
    """

    pieces: tuple[int, ...]
    sizes: tuple[int, ...]
    momentum: Any
    velocity: Any
    covariance: Any = None
    basis: Any = None
    recent: Any = None


def create(
    keras: Any, beta_1: float, beta_2: float, clip_norm: float, weight_decay: float = 0.0
) -> Any:
    """An optimizer of that namespace; its rate is set by whoever trains.

    Args:
        keras: Keras 3 or tf_keras.
        beta_1: decay of the momentum.
        beta_2: decay of the covariance and of the second moment in its eigenbasis.
        clip_norm: global norm to which gradients are scaled down; 0 leaves them.
        weight_decay: share of themselves, times the rate, by which kernels shrink at every step,
            apart from the gradient (Loshchilov & Hutter 2019). Channels that cancel each other
            are costly then, and those are what int8 rounds worst.
    """
    return _optimizer_class(keras)(beta_1, beta_2, clip_norm, weight_decay)


def refresh(optimizer: Any) -> None:
    """Take the recent gradients into each covariance and turn its basis to the new eigenvectors.

    The second moments are carried over exactly: in the new basis they are the eigenvalues.
    """
    from keras import ops  # PyTorch's tensors need its way back to NumPy

    taken = int(ops.convert_to_numpy(optimizer.taken))
    ages = np.arange(taken, dtype=np.float32)[::-1, None]
    weights = np.sqrt((1 - optimizer.beta_2) * optimizer.beta_2**ages)
    for block in optimizer.blocks:
        if block.covariance is not None:
            recent = ops.convert_to_numpy(block.recent)[:taken] * weights
            covariance = ops.convert_to_numpy(block.covariance) * optimizer.beta_2**taken
            covariance += recent.T @ recent
            values, vectors = eigh(covariance, driver="evd", check_finite=False)
            block.covariance.assign(covariance)
            block.basis.assign(vectors)
            block.velocity.assign(np.maximum(values, 0))
    optimizer.taken.assign(0)


def cut(shape: tuple[int, ...]) -> list[int]:
    """Sizes of the pieces of a variable: itself, or a large kernel's filters."""
    size = math.prod(shape)
    if size <= LARGEST or len(shape) != KERNEL_RANK:
        return [size]
    return [size // shape[-1]] * shape[-1]


def pack(variables: Iterable[Sequence[int]]) -> list[tuple[int, ...]]:
    """Positions of pieces, grouped into blocks.

    Variables of one piece are put together, in order, as long as they add up to at most
    `LARGEST`; a larger one, and each filter of a kernel that was cut, stands alone.

    Args:
        variables: the sizes of each one's pieces.
    """
    groups: list[list[int]] = []
    room = position = 0
    for sizes in variables:
        for size in sizes:
            if size > room or len(sizes) > 1:
                groups.append([])
                room = max(LARGEST, size)
            groups[-1].append(position)
            room -= size
            position += 1
        if len(sizes) > 1:
            room = 0
    return [tuple(group) for group in groups]


@lru_cache(maxsize=2)
def _optimizer_class(keras: Any) -> type:
    class Soap(keras.optimizers.Optimizer):
        """See the module."""

        def __init__(
            self, beta_1: float, beta_2: float, clip_norm: float, weight_decay: float
        ) -> None:
            if hasattr(keras, "ops"):
                super().__init__(learning_rate=0.0)
            else:
                super().__init__(name="soap", jit_compile=False)
                self._learning_rate = self._build_learning_rate(0.0)
            self.beta_1, self.beta_2, self.clip_norm = beta_1, beta_2, clip_norm
            self.kernel_decay = weight_decay  # Keras' own name would decay every variable
            self.blocks: list[Block] = []
            self.known: Callable[[], tuple[Any, ...]] = tuple

        def build(self, variables: Sequence[Any]) -> None:
            """Make the state of each block."""
            if self.blocks:
                return
            super().build(variables)
            self.known = partial(tuple, variables)  # a list, Keras would take for state
            cuts = [cut(tuple(variable.shape)) for variable in variables]
            sizes = [size for pieces in cuts for size in pieces]
            for group in pack(cuts):
                self.blocks.append(self._block(group, tuple(sizes[i] for i in group)))
            self.taken = self.add_variable((), initializer="zeros", dtype="int32", name="taken")
            self._built = True

        def _block(self, group: tuple[int, ...], sizes: tuple[int, ...]) -> Block:
            count = sum(sizes)
            shapes: dict[str, tuple[int, ...]] = {"momentum": (count,), "velocity": (count,)}
            if count <= LARGEST:
                square = (count, count)
                shapes |= {"covariance": square, "basis": square, "recent": (ROWS, count)}
            state = {
                name: self.add_variable(shape, initializer="zeros", name=name)
                for name, shape in shapes.items()
            }
            if count <= LARGEST:
                state["basis"].assign(np.eye(count, dtype=np.float32))
            return Block(group, sizes, **state)

        def apply_gradients(self, grads_and_vars: Any, **kwargs: Any) -> Any:
            """One step (called by Keras)."""
            gradients, variables = zip(*grads_and_vars, strict=True)
            self.apply(gradients, variables)
            return self.iterations

        def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
            """One step (called by Keras); the variables are those of `build`, in any order: a model
            that shares them with the one it was built for may list them in its own.
            """
            from keras import ops

            variables = trainable_variables or self.known()
            given = {id(variable): n for n, variable in enumerate(variables)}
            grads = [grads[given[id(variable)]] for variable in self.known()]
            flat = [piece for gradient in grads for piece in _pieces(gradient)]
            if self.clip_norm:
                norm = ops.sqrt(sum(ops.sum(ops.square(part)) for part in flat))
                flat = [part * ops.minimum(1.0, self.clip_norm / (norm + 1e-12)) for part in flat]
            changes: list[Any] = []
            for block in self.blocks:
                update = self._direction(block, ops.concatenate([flat[i] for i in block.pieces]))
                start = 0
                for size in block.sizes:
                    changes.append(update[start : start + size])
                    start += size
            for variable in self.known():
                count = len(cut(tuple(variable.shape)))
                change, changes = _whole(changes[:count], variable.shape), changes[count:]
                if len(variable.shape) == KERNEL_RANK:
                    change = change + self.kernel_decay * variable
                variable.assign(variable - self.learning_rate * change)
            self.taken.assign(self.taken + 1)
            self.iterations.assign_add(1)

        def _direction(self, block: Block, gradient: Any) -> Any:
            """What the rate is multiplied with, (n), from the gradient (n)."""
            from keras import ops

            step = ops.cast(self.iterations, "float32") + 1
            _follow(block.momentum, gradient, self.beta_1)
            mean = block.momentum / (1 - ops.power(self.beta_1, step))
            if block.recent is not None:
                place = ops.reshape(self.taken, (1, 1))
                row = ops.expand_dims(gradient, 0)
                block.recent.assign(ops.scatter_update(block.recent, place, row))
                gradient, mean = ops.unstack(
                    ops.matmul(ops.stack([gradient, mean]), block.basis), 2
                )
            _follow(block.velocity, ops.square(gradient), self.beta_2)
            spread = ops.sqrt(block.velocity / (1 - ops.power(self.beta_2, step)))
            update = mean / (spread + _EPSILON)
            return update if block.basis is None else ops.matmul(block.basis, update)

        def get_config(self) -> dict[str, Any]:
            """For Keras."""
            return {
                "beta_1": self.beta_1,
                "beta_2": self.beta_2,
                "clip_norm": self.clip_norm,
                "weight_decay": self.kernel_decay,
            }

    return Soap


def _pieces(gradient: Any) -> list[Any]:
    """The gradient of a variable as flat pieces."""
    from keras import ops

    count = len(cut(tuple(gradient.shape)))
    if count == 1:
        return [ops.reshape(gradient, (-1,))]
    columns = ops.reshape(gradient, (-1, count))
    return ops.unstack(columns, count, axis=1)


def _whole(pieces: Sequence[Any], shape: Any) -> Any:
    """The inverse of `_pieces`."""
    from keras import ops

    return ops.reshape(pieces[0] if len(pieces) == 1 else ops.stack(pieces, axis=1), shape)


def _follow(average: Any, value: Any, decay: float) -> None:
    average.assign(average + (value - average) * (1 - decay))
