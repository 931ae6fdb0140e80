"""Image files, BT.601 colour, bicubic degradation, data sets and training patches."""
