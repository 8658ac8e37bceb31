"""Reference methods say what energies, forces and stresses frames have: of a few frames, or of a file of many."""
