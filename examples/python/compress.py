"""Compress an image and read it back: python compress.py photo.png photo.tcz back.png"""

import sys
from pathlib import Path

from PIL import Image

import edge_sr

data = edge_sr.compress(sys.argv[1], rate=16)
Path(sys.argv[2]).write_bytes(data)
Image.fromarray(edge_sr.decompress(data)).save(sys.argv[3])
