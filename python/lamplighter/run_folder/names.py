"""Names that a run and LAMMPS share: files of the run folder, criteria of the guard."""

EVENTS = "events.jsonl"
FAILURE = "failure.xyz"
COMMITTEE = "committee.csv"
MOLECULES = "molecules.txt"
BONDS = "bonds.txt"

GUARD_CRITERIA = (
    "none",
    "bond stretch",
    "bond ratio",
    "density",
    "temperature",
    "force",
    "energy",
    "finite",
    "lost",
    "variance",
    "deviation",
)
"""What `fix guard` found first, by the number that is its scalar: `NAMES` of `pair_styles/fix_guard.cpp`."""

OF_COMMITTEE = ("variance", "deviation")
"""Criteria that say that models disagree, not that the system is broken."""
