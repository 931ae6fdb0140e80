"""SOAP against a float64 reference in both namespaces, and against Adam on a narrow valley."""

from itertools import pairwise

import keras
import numpy as np
import pytest
import tf_keras
from hypothesis import given
from hypothesis import strategies as st

from edge_sr.training import soap

NAMESPACES = pytest.mark.parametrize("namespace", [keras, tf_keras], ids=["keras", "tf_keras"])
BETA_1, BETA_2, RATE = 0.9, 0.99, 0.05


class Reference:
    """SOAP in NumPy, float64, with the covariance updated at every step."""

    def __init__(self, point, rate):
        self.point, self.rate, self.step = point.astype(np.float64), rate, 0
        self.mean = self.square = np.zeros(point.size)
        self.covariance, self.basis = np.zeros((point.size,) * 2), np.eye(point.size)

    def advance(self, gradient):
        self.step += 1
        self.mean = BETA_1 * self.mean + (1 - BETA_1) * gradient
        self.covariance = BETA_2 * self.covariance + (1 - BETA_2) * np.outer(gradient, gradient)
        turned = self.basis.T @ gradient
        self.square = BETA_2 * self.square + (1 - BETA_2) * turned**2
        mean = self.basis.T @ self.mean / (1 - BETA_1**self.step)
        spread = np.sqrt(self.square / (1 - BETA_2**self.step))
        self.point = self.point - self.rate * self.basis @ (mean / (spread + 1e-8))

    def refresh(self):
        self.square, self.basis = np.linalg.eigh(self.covariance)


def valley(size, seed=0):
    """A quadratic bowl a thousand times steeper one way than another, along no axis."""
    rng = np.random.default_rng(seed)
    axes, _ = np.linalg.qr(rng.normal(size=(size, size)))
    return (axes * np.logspace(0, 3, size)) @ axes.T, rng.normal(size=size)


def variables_of(namespace, point, cut):
    make = namespace.Variable if hasattr(namespace, "ops") else _tf_variable
    return [make(point[:cut].astype(np.float32)), make(point[cut:].astype(np.float32))]


def _tf_variable(value):
    import tensorflow as tf

    return tf.Variable(value)


def numbers(variables):
    return np.concatenate([np.asarray(keras.ops.convert_to_numpy(v)).ravel() for v in variables])


@NAMESPACES
def test_steps_equal_the_references(namespace):
    rng = np.random.default_rng(1)
    point = rng.normal(size=12)
    variables = variables_of(namespace, point, 5)
    optimizer = soap.create(namespace, BETA_1, BETA_2, 0.0)
    optimizer.build(variables)
    optimizer.learning_rate = RATE
    reference = Reference(point, RATE)
    for step in range(60):
        gradient = rng.normal(size=12) * np.logspace(0, 2, 12)
        parts = [keras.ops.convert_to_tensor(p, "float32") for p in np.split(gradient, [5])]
        optimizer.apply_gradients(zip(parts, variables, strict=True))
        reference.advance(gradient)
        if step in (29, 44):
            soap.refresh(optimizer)
            reference.refresh()
    np.testing.assert_allclose(numbers(variables), reference.point, atol=2e-4)


def test_variables_may_come_in_another_order():
    """A model that shares the layers of another may list them in its own order."""
    start = np.arange(1.0, 7.0)
    results = []
    for order in ((0, 1), (1, 0)):
        variables = variables_of(keras, start, 3)
        optimizer = soap.create(keras, BETA_1, BETA_2, 0.0)
        optimizer.build(variables)
        optimizer.learning_rate = RATE
        for gradient in (np.linspace(-1, 1, 6), np.linspace(0, 3, 6)):
            parts = [keras.ops.convert_to_tensor(p, "float32") for p in np.split(gradient, [3])]
            optimizer.apply([parts[i] for i in order], [variables[i] for i in order])
        results.append(numbers(variables))
    np.testing.assert_array_equal(*results)


@NAMESPACES
def test_a_large_kernel_has_a_covariance_for_each_filter(namespace):
    """Its filters train as if each were a variable of its own."""
    rng = np.random.default_rng(2)
    kernel = rng.normal(size=(3, 3, 80, 2))
    make = namespace.Variable if hasattr(namespace, "ops") else _tf_variable
    variable = make(kernel.astype(np.float32))
    optimizer = soap.create(namespace, BETA_1, BETA_2, 0.0)
    optimizer.build([variable])
    optimizer.learning_rate = RATE
    filters = [Reference(kernel[..., f].ravel(), RATE) for f in range(2)]
    for _ in range(12):
        gradient = rng.normal(size=kernel.shape)
        gradients = [keras.ops.convert_to_tensor(gradient, "float32")]
        optimizer.apply_gradients(zip(gradients, [variable], strict=True))
        for f, reference in enumerate(filters):
            reference.advance(gradient[..., f].ravel())
    assert len(optimizer.blocks) == 2
    found = np.asarray(keras.ops.convert_to_numpy(variable)).reshape(-1, 2)
    for f, reference in enumerate(filters):
        np.testing.assert_allclose(found[:, f], reference.point, atol=1e-4)
    soap.refresh(optimizer)
    for block, reference in zip(optimizer.blocks, filters, strict=True):
        covariance = keras.ops.convert_to_numpy(block.covariance)
        np.testing.assert_allclose(covariance, reference.covariance, atol=1e-3)


def test_gradients_are_clipped_to_the_global_norm():
    start = np.array([1.0, -2.0, 3.0, 4.0])
    results = []
    for factor, clip in ((1.0, 0.0), (100.0, 1.0)):
        variables = variables_of(keras, start, 1)
        optimizer = soap.create(keras, BETA_1, BETA_2, clip)
        optimizer.build(variables)
        optimizer.learning_rate = RATE
        for gradient in (np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.6, 0.0, 0.8, 0.0])):
            scaled = gradient / (np.linalg.norm(gradient) if clip else 1.0) * factor
            given = gradient if not clip else scaled
            parts = [keras.ops.convert_to_tensor(p, "float32") for p in np.split(given, [1])]
            optimizer.apply(parts, variables)
        state = optimizer.blocks[0].momentum
        results.append(float(np.linalg.norm(keras.ops.convert_to_numpy(state))))
    # Each gradient had norm 100 and was clipped to 1.
    assert results[1] <= 0.19 + 1e-6


def test_soap_descends_a_narrow_valley_faster_than_adam():
    """It finds the axes of the bowl, so the flattest direction is as fast as the steepest."""
    bowl, start = valley(16)
    heights = {}
    for name in ("adam", "soap"):
        variable = keras.Variable(start.astype(np.float32))
        adam = keras.optimizers.Adam(RATE, beta_1=BETA_1, beta_2=BETA_2)
        optimizer = adam if name == "adam" else soap.create(keras, BETA_1, BETA_2, 0.0)
        optimizer.build([variable])
        for step in range(150):
            optimizer.learning_rate = RATE * (1 - step / 150)
            gradient = (bowl @ numbers([variable])).astype(np.float32)
            optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
            if name == "soap" and step % 20 == 19:
                soap.refresh(optimizer)
        point = numbers([variable])
        heights[name] = point @ bowl @ point
    assert heights["soap"] < heights["adam"] / 10


@given(st.lists(st.integers(1, 3 * soap.LARGEST), max_size=30))
def test_blocks_hold_every_variable_once_and_in_order(sizes):
    groups = soap.pack([[size] for size in sizes])
    assert [position for group in groups for position in group] == list(range(len(sizes)))
    for group in groups:
        assert len(group) == 1 or sum(sizes[i] for i in group) <= soap.LARGEST
    for one, other in pairwise(groups):
        assert sum(sizes[i] for i in one) + sizes[other[0]] > soap.LARGEST


def test_a_variable_too_large_for_a_covariance_is_trained_by_adam():
    rng = np.random.default_rng(3)
    start = rng.normal(size=soap.LARGEST + 1).astype(np.float32)
    points = []
    for optimizer in (
        soap.create(keras, BETA_1, BETA_2, 0.0),
        keras.optimizers.Adam(RATE, beta_1=BETA_1, beta_2=BETA_2, epsilon=1e-8),
    ):
        variable = keras.Variable(start)
        optimizer.build([variable])
        optimizer.learning_rate = RATE
        steps = np.random.default_rng(4)
        for _ in range(5):
            gradient = steps.normal(size=start.size).astype(np.float32)
            optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        points.append(numbers([variable]))
    np.testing.assert_allclose(points[0], points[1], atol=1e-5)


def test_only_kernels_decay():
    """Without a gradient, n steps leave (1 - rate * decay) ** n of a kernel."""
    rng = np.random.default_rng(5)
    shapes = {"kernel": (3, 3, 2, 4), "bias": (4,), "alpha": (1, 1, 4)}
    start = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    variables = [keras.Variable(value) for value in start.values()]
    optimizer = soap.create(keras, BETA_1, BETA_2, 0.0, weight_decay=0.2)
    optimizer.build(variables)
    optimizer.learning_rate = RATE
    for _ in range(10):
        optimizer.apply([keras.ops.zeros_like(variable) for variable in variables], variables)
    for variable, (name, value) in zip(variables, start.items(), strict=True):
        left = (1 - RATE * 0.2) ** 10 if name == "kernel" else 1.0
        np.testing.assert_allclose(numbers([variable]), left * value.ravel(), rtol=1e-5)
