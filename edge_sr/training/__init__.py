"""Training of float networks: losses, recipes (one TOML per experiment) and the training loop."""
