"""Upscale an image x2.

usage: python upscale.py photo.png large.png
"""

import sys

from PIL import Image

import edge_sr

if len(sys.argv) != 3:
    sys.exit(__doc__)
model = edge_sr.load("tinypssr-anchor-x2", precision="int8", runtime="engine")
Image.fromarray(model.upscale(sys.argv[1])).save(sys.argv[2])
