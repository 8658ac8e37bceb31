"""Names of the files in a run folder."""

EVENTS = "events.jsonl"
FAILURE = "failure.xyz"
COMMITTEE = "committee.csv"
MOLECULES = "molecules.txt"
BONDS = "bonds.txt"
