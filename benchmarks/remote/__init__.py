"""Measures networks on another machine over SSH."""
