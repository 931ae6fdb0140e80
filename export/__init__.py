"""From a trained model to what runs on devices: .tflite, .onnx, C array, and their manifest."""
