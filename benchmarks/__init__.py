"""Measures networks, keeps the measurements as records, and reports records."""
