"""Reparameterized convolutions: they train in one form, and fold to a plain convolution.

Three training forms exist, all of Keras 3 (tf_keras quantizes folded networks only):

- expanded.py: over-parameterized; the kernel is a product of two, plus fixed filters,
- normalized.py: weight or batch normalization, and a mean colour subtracted,
- strided.py: the taps of a transposed convolution.

Each file has the layer and the folding of its weights. `conv2d` makes the layer that a model's
config asks for; `fold` turns the weights of any form into those of the plain convolution. Layer
names stay.
"""

from edge_sr.models.reparam.convolution import MEAN_RGB, conv2d, repeating_conv2d
from edge_sr.models.reparam.folding import fold
from edge_sr.models.reparam.strided import strided_conv2d

__all__ = ["MEAN_RGB", "conv2d", "fold", "repeating_conv2d", "strided_conv2d"]
