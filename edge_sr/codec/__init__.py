"""TinyCompress: from a network's latents to a .tcz file and back; `docs/tcz.md` is the format."""
