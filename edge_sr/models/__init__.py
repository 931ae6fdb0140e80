"""Network architectures, one file each, found by name in the registry.

`registry.py` says how to add one. Building blocks: `layers.py` (layers that differ between Keras 3
and tf_keras), `activations.py`, `reparam/` (convolutions that train in one form and fold to a plain
one), `initializers.py`. `checkpoint.py` reads and writes weights.
"""
