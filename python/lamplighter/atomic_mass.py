"""The unit of atomic masses, and the density that follows from it."""

ATOMIC_MASS_KG = 1.66053906660e-27
"""Of one atomic mass unit, which is one g/mol of a single particle (CODATA 2018)."""

GRAM_PER_CM3 = ATOMIC_MASS_KG * 1e3 / 1e-24
"""Density of one g/mol in one Å³: 1.66053906660 g/cm³."""
