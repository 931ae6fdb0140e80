"""What a codec keeps of an image for how many bits: TinyCompress beside JPEG, WebP and AVIF."""
