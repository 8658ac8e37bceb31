"""Names of files of a run folder that LAMMPS itself reads or writes."""

EVENTS = "events.jsonl"
FAILURE = "failure.xyz"
COMMITTEE = "committee.csv"
MOLECULES = "molecules.txt"
