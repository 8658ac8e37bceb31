"""The folder that a run leaves: the names of its files, what is in them, and `Run`, the one way to read it."""
