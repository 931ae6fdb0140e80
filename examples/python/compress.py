"""Compress an image, and decode it again.

usage: python compress.py photo.png photo.tcz decoded.png
"""

import sys
from pathlib import Path

from PIL import Image

import edge_sr

if len(sys.argv) != 4:
    sys.exit(__doc__)
data = edge_sr.compress(sys.argv[1], rate=16)
Path(sys.argv[2]).write_bytes(data)
Image.fromarray(edge_sr.decompress(data)).save(sys.argv[3])
