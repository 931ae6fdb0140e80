"""Adam in the eigenbasis of the gradients' covariance, for either Keras namespace.

SOAP (Vyas et al. 2024, "SOAP: Improving and Stabilizing Shampoo using Adam",
https://arxiv.org/abs/2409.11321) runs Adam in the eigenbasis of Shampoo's preconditioner. For large
networks it approximates that by Kronecker factors of each layer. A tiny network is small enough for
the full covariance: variables are packed, in order, into blocks of at most `LARGEST` values, and
each block has a full matrix, across layers. A kernel that is larger has a matrix for each filter;
other variables that are larger are trained by plain Adam.

A step only stores its gradient. `refresh`, to be called every `ROWS` steps, adds the stored
gradients to the covariance by one matrix product, and computes its eigenvectors anew.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np

LARGEST = 1400
"""The most values of a block: its basis takes 8 MB of float32, and each step reads it twice."""

ROWS = 200
"""The most steps between two calls of `refresh`."""

KERNEL_RANK = 4
"""Kernels (k,k,Cin,Cout) decay; biases and PReLU's alphas do not."""

_EPSILON = 1e-8


@dataclass(frozen=True)
class Block:
    """Pieces of variables that share a covariance, and their state.

    Attributes:
        pieces: positions of its pieces, in the order of the optimizer's variables.
        sizes: number of values of each piece; n together.
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
    """An optimizer of that namespace; the trainer sets its learning rate.

    Args:
        keras: Keras 3 or tf_keras.
        beta_1: decay of the momentum.
        beta_2: decay of the covariance and of the second moment in its eigenbasis.
        clip_norm: global norm to which gradients are scaled down; 0 leaves them.
        weight_decay: decoupled decay of kernels (Loshchilov & Hutter 2019,
            https://arxiv.org/abs/1711.05101): per step they shrink by this share times the rate. It
            penalizes channels that cancel each other, which int8 rounds worst.
    """
    return _optimizer_class(keras)(beta_1, beta_2, clip_norm, weight_decay)


def refresh(optimizer: Any) -> None:
    """Add the stored gradients to each covariance, and set its basis to the new eigenvectors.

    The second moments in the new basis are exactly the eigenvalues.
    """
    from keras import ops  # converts PyTorch's tensors to NumPy as well
    from scipy.linalg import eigh

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
    """Sizes of the pieces of a variable: one piece, or the filters of a large kernel."""
    size = math.prod(shape)
    if size <= LARGEST or len(shape) != KERNEL_RANK:
        return [size]
    return [size // shape[-1]] * shape[-1]


def pack(variables: Iterable[Sequence[int]]) -> list[tuple[int, ...]]:
    """Positions of pieces, grouped into blocks.

    Variables of one piece are grouped, in order, as long as they add up to at most `LARGEST`. A
    larger one, and each filter of a kernel that was cut, is a block of its own.

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
        """Adam in the eigenbasis of the gradients' covariance."""

        def __init__(
            self, beta_1: float, beta_2: float, clip_norm: float, weight_decay: float
        ) -> None:
            if hasattr(keras, "ops"):
                super().__init__(learning_rate=0.0)
            else:
                super().__init__(name="soap", jit_compile=False)
                self._learning_rate = self._build_learning_rate(0.0)
            self.beta_1, self.beta_2, self.clip_norm = beta_1, beta_2, clip_norm
            self.kernel_decay = weight_decay  # the name that Keras uses would decay every variable
            self.blocks: list[Block] = []
            self.known: Callable[[], tuple[Any, ...]] = tuple

        def build(self, variables: Sequence[Any]) -> None:
            """Create the state of each block."""
            if self.blocks:
                return
            super().build(variables)
            self.known = partial(tuple, variables)  # Keras would track a list as state
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
            """One step (called by Keras).

            The variables are those of `build`, in any order: a variant of the model that shares
            them may list them differently.
            """
            from keras import ops

            variables = trainable_variables or self.known()
            position = {id(variable): n for n, variable in enumerate(variables)}
            grads = [grads[position[id(variable)]] for variable in self.known()]
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
            """The step (n) for a rate of 1, from the gradient (n)."""
            from keras import ops

            step = ops.cast(self.iterations, "float32") + 1
            _update_average(block.momentum, gradient, self.beta_1)
            mean = block.momentum / (1 - ops.power(self.beta_1, step))
            if block.recent is not None:
                index = ops.reshape(self.taken, (1, 1))
                row = ops.expand_dims(gradient, 0)
                block.recent.assign(ops.scatter_update(block.recent, index, row))
                gradient, mean = ops.unstack(
                    ops.matmul(ops.stack([gradient, mean]), block.basis), 2
                )
            _update_average(block.velocity, ops.square(gradient), self.beta_2)
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


def _update_average(average: Any, value: Any, decay: float) -> None:
    average.assign(average + (value - average) * (1 - decay))
