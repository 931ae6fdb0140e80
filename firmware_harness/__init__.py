"""Firmware from an int8 .tflite: project, build, emulation, flashing, libraries."""
