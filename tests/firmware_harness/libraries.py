"""Writes library projects for the tests."""

from pathlib import Path

from edge_sr.zoo import catalog
from export.c import write_c
from firmware_harness.targets import compose, library, target


def shipped(model: str, scale: int = 2) -> bytes:
    """Return a shipped int8 .tflite."""
    return catalog.find(f"{model}-x{scale}").file("int8", ".tflite").read_bytes()


def write_library(folder: Path, request: compose.Request, name: str, engine: str) -> Path:
    """Write a library for a target into a new folder, and return the folder."""
    if engine == "streaming":
        content = compose.streaming_library(request)
    else:
        content = compose.tflm_library(request, write_c)
    folder.mkdir(parents=True)
    library.write(folder, target.find(name), content.content, content.example)
    return folder
