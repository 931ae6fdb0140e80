"""From an int8 .tflite to a board: project, build, emulation. Board files are in `boards`."""
