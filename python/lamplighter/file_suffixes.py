"""Ends of file names that several rooms write and read."""

COMPILED = ".lamp"
"""Models compiled for the native engine."""

TRAINING_SET = ".training"
"""What a model makes of its training set, beside the model."""
