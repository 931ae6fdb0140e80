"""The papers' studies, run here: studies/*.toml say what, this package does it for all of them."""
