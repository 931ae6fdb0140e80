"""Quantization-aware tuning: the only place that knows tf_keras and tfmot.

A float checkpoint goes in; out comes a checkpoint whose weights and ranges make an int8 network,
and, for the exporter, a TensorFlow function with fake quantization that the TFLite converter
turns into integers.
"""
