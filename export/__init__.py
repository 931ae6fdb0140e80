"""Exports a trained model to devices: .tflite, .onnx, C array, and their manifest."""
