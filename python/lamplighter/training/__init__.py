"""Models are trained by their packages' own programs, from one file and through one interface."""
