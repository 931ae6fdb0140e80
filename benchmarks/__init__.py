"""Measurements, kept as records, and reports, which are made from records alone."""
