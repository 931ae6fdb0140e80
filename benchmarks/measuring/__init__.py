"""Measures networks on this machine, each case in a fresh process."""
