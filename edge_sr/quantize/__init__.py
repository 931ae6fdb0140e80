"""Quantization-aware training (QAT): the only package that imports tf_keras and tfmot.

A float checkpoint goes in; an int8 checkpoint with weights and ranges comes out (`run.quantize`).
For the exporter, `concrete_function` turns it into a TensorFlow function with fake quantization,
which the TFLite converter turns into integers.
"""
