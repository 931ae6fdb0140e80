"""Rate and distortion of TinyCompress, JPEG, WebP and AVIF."""
