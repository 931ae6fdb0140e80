"""Repeats the papers' studies, which studies/*.toml describe."""
