"""Published results to compare with (published.toml)."""

import tomllib
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "published.toml"


def results() -> list[dict[str, Any]]:
    """All published results.

    Returns:
        one dict each: name, source, scale, parameters and macs (per low-resolution pixel) where
        they are printed, and for each data set psnr (dB) and, where it is printed, ssim.
    """
    found: list[dict[str, Any]] = tomllib.loads(FILE.read_text(encoding="utf-8"))["result"]
    return found


def results_on(dataset: str, scale: int) -> list[dict[str, Any]]:
    """The results on one data set: name, source, psnr (dB) and, where it is printed, ssim."""
    return [
        {"name": result["name"], "source": result["source"], **result[dataset]}
        for result in results()
        if result["scale"] == scale and dataset in result
    ]
