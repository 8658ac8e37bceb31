"""Names of files of a run folder that LAMMPS itself writes."""

EVENTS = "events.jsonl"
FAILURE = "failure.xyz"
COMMITTEE = "committee.csv"
