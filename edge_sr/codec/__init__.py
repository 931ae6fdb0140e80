"""TinyCompress: from a network's latents to a .tcz file and back (`docs/reference/tcz.md`)."""
