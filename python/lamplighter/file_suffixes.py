"""Ends of file names that several rooms write and read."""

COMPILED = ".lamp"
"""Models compiled for the native engine."""
