"""edge-sr: tiny image networks from training to silicon."""

__version__ = "0.1.0"
