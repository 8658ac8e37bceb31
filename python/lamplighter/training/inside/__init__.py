"""Programs that run in the Python of another environment: they import the package there, and nothing of this one."""
