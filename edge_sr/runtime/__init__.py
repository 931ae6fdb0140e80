"""Runs a network in LiteRT, ONNX Runtime, TensorFlow Lite Micro, the engine or Keras."""
