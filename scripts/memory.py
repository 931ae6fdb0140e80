"""Print the peak memory of upscaling 50 megapixels x2 to PNG and to JPEG, and its limit.

python scripts/memory.py
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from edge_sr.data.png_writer import open_png
from edge_sr.zoo import catalog

_MEASURE = """
import re, sys
from pathlib import Path
from edge_sr.runtime.opening import open_session
from edge_sr.upscaling import upscale_file
upscale_file(open_session(Path(sys.argv[1]), "litert"), Path(sys.argv[2]), Path(sys.argv[3]))
# Not ru_maxrss, which includes the parent's pages between fork and exec.
print(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def peak_memory(height: int, width: int, folder: Path, suffix: str = ".png") -> int:
    """Return the peak memory in bytes of upscaling an RGB PNG x2 in a new process (Linux)."""
    source, target = folder / "in.png", folder / f"out{suffix}"
    rng = np.random.default_rng(0)
    with open_png(source, height, width, 3) as png:
        for _ in range(height):
            png.write(rng.integers(0, 256, (1, width, 3), np.uint8))
    model = catalog.find("tinypssr-anchor-x2").file("int8", ".tflite")
    command = [sys.executable, "-c", _MEASURE, str(model), str(source), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout) * 1024


def main() -> None:
    """Measure both formats and print the results."""
    height, width = 5774, 8660
    limit = 3 * height * width * 5 + 256 * 10**6
    for suffix in (".png", ".jpg"):
        with tempfile.TemporaryDirectory() as folder:
            peak = peak_memory(height, width, Path(folder), suffix)
        print(f"{width}x{height} RGB x2 to {suffix}: {peak / 1e6:.0f} MB (limit {limit / 1e6:.0f})")


if __name__ == "__main__":
    main()
