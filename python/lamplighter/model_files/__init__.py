"""What a model file is, and how it may be opened; no framework is imported before a file is."""
