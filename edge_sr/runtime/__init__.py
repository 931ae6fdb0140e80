"""One session interface over LiteRT, ONNX Runtime, TensorFlow Lite Micro and Keras."""
