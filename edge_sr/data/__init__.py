"""Images in and out: files, BT.601 colour, bicubic degradation, folder data sets, patches."""
