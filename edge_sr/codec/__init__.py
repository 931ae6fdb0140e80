"""TinyCompress: compresses images to .tcz files and decompresses them (`docs/reference/tcz.md`)."""
